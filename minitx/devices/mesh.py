"""Several devices, of one process or of several: each takes its share of every batch.

Parameters and texts are whole on every device; only batches are divided. JAX finds the devices, and
XLA adds the gradients up.
"""

import contextlib

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from minitx.devices.processes import is_alone
from minitx.errors import InputError

AXIS = "devices"  # the only axis of the mesh
LARGE = 2 * 2**30  # bytes of weights: a billion of them in bfloat16


def make_mesh(devices: int | None = None) -> Mesh:
    """Return a mesh of that many devices, or of all devices of all processes by default.

    Raises InputError for more devices than JAX finds, and for fewer where several processes train.
    """
    found = jax.devices()
    count = len(found) if devices is None else devices
    if not 1 <= count <= len(found):
        platform = found[0].platform
        cure = f"choose from 1 to {len(found)}"
        if platform == "cpu":
            cure += "; XLA_FLAGS=--xla_force_host_platform_device_count=N makes N devices of a CPU"
        raise InputError(f"devices={count}, but JAX finds {len(found)} ({platform}): {cure}")
    if not is_alone() and count != len(found):
        raise InputError(
            f"devices={count}, but {jax.process_count()} processes have {len(found)} together: "
            "leave --devices out"
        )
    return Mesh(np.array(found[:count]), (AXIS,))


def put(tree, mesh: Mesh):
    """Return the arrays of a tree, whole on every device of the mesh."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def laid_out(shapes, mesh: Mesh):
    """Return the shapes of a tree of arrays as `put` would lay the arrays out.

    A function can be compiled for them before the arrays are there.
    """
    whole = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole), shapes
    )


def divide(tree, mesh: Mesh):
    """Return the arrays of a tree, their rows divided among the devices of the mesh.

    For use inside a compiled function: what follows from each row is then computed where it lies.
    """
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec(AXIS)))


def with_seed_axis(tree):
    """Return the arrays of a tree with an axis E of one seed in front."""
    return jax.tree.map(lambda leaf: leaf[None], tree)


def over_seeds(f, mesh: Mesh):
    """Return f for each of E seeds, in one program: all at once, or in turn on a CPU.

    One model keeps all cores of a CPU busy, and products with a batch axis are slower there: under
    vmap a step took 1.1 times as long, with Muon 1.4 times. On other devices many small models can
    share the time of one.
    """
    if mesh.devices.flat[0].platform == "cpu":
        return lambda trees: jax.lax.map(f, trees)
    return jax.vmap(f)


def sparing(params):
    """Return a context in which a large bfloat16 model runs operation by operation on a CPU.

    XLA computes in float32 there, and a compiled program holds all weights converted before it
    takes the first product: three times the model. One by one, they are converted and let go. For
    small models compiling is worth more: a token of SmolLM2 took 8 times as long without.
    """
    leaves = jax.tree.leaves(params)
    large = sum(leaf.nbytes for leaf in leaves) > LARGE
    short = any(leaf.dtype == "bfloat16" for leaf in leaves)
    on_cpu = jax.default_backend() == "cpu"
    return jax.disable_jit() if large and short and on_cpu else contextlib.nullcontext()

"""Several devices, of one process or of several: each takes its share of every batch.

Parameters and texts are whole on every device; only batches are divided, and gradients averaged.
JAX finds the devices; nothing here is a machinery of our own.
"""

import contextlib

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from minitx.devices.processes import is_alone
from minitx.errors import InputError

AXIS = "devices"  # the one axis of the mesh
LARGE = 2 * 2**30  # bytes of weights, a billion of them in bfloat16


def make_mesh(devices: int | None = None) -> Mesh:
    """A mesh of that many devices; of all, in all processes together, where none is given.

    Raises InputError for more devices than there are, and for fewer where processes share them.
    """
    found = jax.devices()
    count = len(found) if devices is None else devices
    if not 1 <= count <= len(found):
        kind = found[0].platform
        more = "; on a CPU, XLA_FLAGS=--xla_force_host_platform_device_count=N makes N of it"
        raise InputError(
            f"devices={count}, but JAX finds {len(found)} ({kind}): choose from 1 to {len(found)}"
            + (more if kind == "cpu" else "")
        )
    if not is_alone() and count != len(found):
        raise InputError(
            f"devices={count}, but {jax.process_count()} processes have {len(found)} together: "
            "leave --devices out"
        )
    return Mesh(np.array(found[:count]), (AXIS,))


def put(tree, mesh: Mesh):
    """The arrays of a tree, whole on every device of the mesh."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def own_share(array):
    """The rows of an array that belong to the device on which this runs."""
    rows = array.shape[0] // jax.lax.axis_size(AXIS)
    return jax.lax.dynamic_slice_in_dim(array, jax.lax.axis_index(AXIS) * rows, rows)


def sparing(params):
    """A context in which a large model in bfloat16 runs operation by operation on a CPU.

    XLA computes in float32 there, and a compiled program holds all weights converted before it
    takes the first product: three times the model. One by one, they are converted and let go. For
    small models compiling is worth more: a token of SmolLM2 took 8 times as long without.
    """
    leaves = jax.tree.leaves(params)
    large = sum(leaf.nbytes for leaf in leaves) > LARGE
    short = any(leaf.dtype == "bfloat16" for leaf in leaves)
    on_cpu = jax.default_backend() == "cpu"
    return jax.disable_jit() if large and short and on_cpu else contextlib.nullcontext()


def on_all_devices(f, mesh: Mesh):
    """f as a program that runs on every device, from whole arrays to whole arrays."""
    whole = PartitionSpec()
    return jax.shard_map(f, mesh=mesh, in_specs=whole, out_specs=whole, check_vma=False)


def over_seeds(f, mesh: Mesh):
    """f for each of E seeds, in one program: at once, or one after the other on a CPU.

    One model keeps all cores of a CPU busy, and products with a batch axis are slower there: under
    vmap a step took 1.1 times as long, with Muon 1.4 times. On other devices many small models can
    share the time of one.
    """
    if mesh.devices.flat[0].platform == "cpu":
        return lambda trees: jax.lax.map(f, trees)
    return jax.vmap(f)

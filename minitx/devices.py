"""Several devices, and several processes: each takes its share of every batch.

Parameters and texts are whole on every device; only batches are divided, and gradients averaged.
JAX finds the devices and the other processes; nothing here is a machinery of our own.
"""

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from minitx.errors import InputError

AXIS = "devices"  # the one axis of the mesh


def join(coordinator: str | None, processes: int | None, process_id: int | None) -> None:
    """Join the other processes of this training; JAX finds them itself on TPU pods and clusters.

    Elsewhere the address (host:port) of process 0, the number of processes, and which of them this
    one is have to be given. Raises InputError where they cannot be found or met.
    """
    try:
        jax.distributed.initialize(coordinator, processes, process_id)
    except (ValueError, RuntimeError, TypeError) as error:
        raise InputError(
            f"cannot join the other processes ({str(error).splitlines()[0]}): outside a TPU pod or "
            "a cluster that JAX knows, give --coordinator HOST:PORT --processes N --process-id I"
        ) from None


def is_first() -> bool:
    """Whether this is the process that writes files and talks; it alone is, where there is one."""
    return jax.process_index() == 0


def is_alone() -> bool:
    """Whether no other process trains with this one."""
    return jax.process_count() == 1


def agree(value: float) -> float:
    """The number that the first process has, for all processes: where clocks or keys decide."""
    if is_alone():
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


def from_first(make, like):
    """What `make()` gives in the first process, for all: None, or arrays as `like()` has them.

    Raises InputError in all processes where `make` does in the first.
    """
    if is_alone():
        return make()
    made, error = None, None
    if is_first():
        try:
            made = make()
        except InputError as caught:
            error = caught
    if agree(error is not None):
        raise error or InputError("the first process cannot begin: see what it says")
    if not agree(made is not None):
        return None
    return multihost_utils.broadcast_one_to_all(like() if made is None else made)


def make_mesh(devices: int | None = None) -> Mesh:
    """A mesh of that many devices; of all, in all processes together, where none is given.

    Raises InputError for more devices than there are, or fewer than there are processes.
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

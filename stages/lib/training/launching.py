"""How many processes train, and how they come to be: Accelerate's launcher, one process a GPU.

The processes run the stage itself, each with a rank; the first of them writes what the stage writes.
"""

import os
import sys

import torch

from stages.lib.encoders.devices import claim_gpus
from stages.lib.exceptions import ConfigError, DeviceError
from stages.lib.training.batches import Share
from stages.lib.training.knobs import Params

OUT_OF_MEMORY = 77  # exit status of a process that ran out of it, and has noted that more passes are needed


def is_launched() -> bool:
    """Whether this is one of several processes that a launcher started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "LOCAL_RANK" in os.environ


def end_if_orphaned(parent: int) -> None:
    """Where the stage that started this process was killed, nobody waits for it, and it holds a GPU."""
    if is_launched() and os.getppid() != parent:
        sys.exit("the stage that started this process is gone")


def share_of(passes: int) -> Share:
    if not is_launched():
        return Share(0, 1, passes)
    return Share(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), passes)


def processes_for(params: Params) -> int:
    """One a GPU: all of this machine, or as many as `processes` says; the GPUs are claimed.

    Without GPUs `auto` is one, which uses all cores. Raises ConfigError and DeviceError.
    """
    wanted = None if params.processes == "auto" else params.processes
    if params.loop == "plain":
        if wanted not in (None, 1):
            raise ConfigError(
                f"params.yaml: finetune.processes: found {wanted}, with loop: plain, which is one process; "
                "choose loop: accelerate or trainer, or processes: auto"
            )
        wanted = 1
    if not torch.cuda.is_available():
        return wanted or 1
    return len(claim_gpus(wanted))


def launch(params: Params, processes: int) -> None:
    """Run this very command in so many processes and wait for them. Raises DeviceError where one fails."""
    from accelerate.commands.launch import launch_command, launch_command_parser
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        os.environ["ACCELERATE_USE_CPU"] = "true"
    config = params.accelerate_config
    words = ["--config_file", config] if config else ["--multi_gpu", "--dynamo_backend", "no"]
    words += ["--num_processes", str(processes), "--num_machines", "1", "--main_process_port", "0"]
    words += ["--mixed_precision", "no"]  # the loops say which
    words += ["--num_cpu_threads_per_process", str(max(1, (os.cpu_count() or 1) // processes))]
    arguments = launch_command_parser().parse_args([*words, "-m", module_name(), *sys.argv[1:]])
    while True:
        try:
            launch_command(arguments)
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            if failure.exitcode == OUT_OF_MEMORY:
                continue
            raise DeviceError(
                f"process {rank} of {processes} ended with status {failure.exitcode}; "
                "what it said stands above"
            ) from None
        return


def module_name() -> str:
    spec = sys.modules["__main__"].__spec__
    return "stages.finetune" if spec is None else spec.name

"""A run for test_loop.py to kill: says the step it has come to, and waits there; or finds the disk full."""

import resource
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

import training.loop
from tests.training.test_loop import LineTask, plan

torch.set_num_threads(1)
torch.manual_seed(0)
folder, stop, full = Path(sys.argv[1]), int(sys.argv[2]), len(sys.argv) > 3
for at in training.loop.training(LineTask(), plan(40), folder):
    if at.step == stop and full:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    elif at.step == stop:
        print(at.step, flush=True)
        time.sleep(60)

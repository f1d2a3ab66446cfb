"""Each case runs in its own process: what is tested is the state of an interpreter's imports."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def python(code: str, *first_on_path: Path) -> subprocess.CompletedProcess[str]:
    setup = f"import sys; sys.path[:0] = {[*map(str, first_on_path), str(ROOT / 'models')]!r}\n"
    return subprocess.run(
        [sys.executable, "-c", setup + textwrap.dedent(code)], capture_output=True, text=True, timeout=120
    )


def fake_torchvision(folder: Path, body: str) -> Path:
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(body)
    return folder


def test_what_needs_torchvision_works_after_the_guard():
    done = python("""
        from torchvision_guard import guard_torchvision
        state = guard_torchvision()
        assert guard_torchvision() is state
        import torch, numpy
        if state != "absent":
            import controlnet_aux
            from torchvision import transforms
            assert transforms.CenterCrop(2)(torch.zeros(3, 8, 8)).shape == (3, 2, 2)
        from transformers import CLIPImageProcessor
        pixels = CLIPImageProcessor()(numpy.zeros((32, 32, 3), "uint8"), return_tensors="pt").pixel_values
        assert pixels.shape == (1, 3, 224, 224), pixels.shape
        print(state)
    """)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("native", "python only", "absent")


def test_a_missing_operator_raises_instead_of_answering():
    done = python("""
        from torchvision_guard import guard_torchvision
        if guard_torchvision() == "python only":
            import torch, torchvision
            try: torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
            except (RuntimeError, NotImplementedError): pass
            else: raise SystemExit("nms answered without an implementation")
    """)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("body", ["raise RuntimeError('broken')", "1 / 0", "import no_such_module_of_ours"])
def test_a_broken_torchvision_is_hidden(tmp_path: Path, body: str):
    done = python(
        """
        from torchvision_guard import guard_torchvision
        assert guard_torchvision() == "blocked", guard_torchvision()
        try: import torchvision
        except ModuleNotFoundError: pass
        else: raise SystemExit("torchvision is still importable")
        from transformers import CLIPImageProcessor
        CLIPImageProcessor()
        """,
        fake_torchvision(tmp_path, body),
    )
    assert done.returncode == 0, done.stderr


def test_without_the_guard_that_torchvision_would_break_the_import(tmp_path: Path):
    """The control: the fault these tests inject is a real one."""
    done = python("import torchvision", fake_torchvision(tmp_path, "raise RuntimeError('broken')"))
    assert done.returncode != 0 and "broken" in done.stderr


def test_an_absent_torchvision_is_absent():
    done = python("""
        sys.modules["torchvision"] = None
        from torchvision_guard import guard_torchvision
        print(guard_torchvision())
    """)
    assert done.stdout.strip() == "absent", done.stderr

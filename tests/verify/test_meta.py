"""Stand-ins for torch's compiler: they spare its import, change no number, and leave nothing behind.

Each test is a process of its own, because in this one the compiler may have been imported long ago.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

BEGINNING = """
    import gc
    import sys
    from catalog.verify.meta import import_torch, without_compiler

    NAMES = ("torch._dynamo", "sympy", "torch.fx.experimental.symbolic_shapes")

    with without_compiler():
        assert not any(name in sys.modules for name in NAMES)

    gc.disable()
    import_torch()
    assert not gc.isenabled() and gc.get_freeze_count() > 10_000
    gc.enable()

    import torch
    from torch import nn

    def there():
        return [name for name in NAMES if name in sys.modules]

    def real():
        return [name for name in there() if type(sys.modules[name]).__name__ == "module"]

    def forward():
        with torch.device("meta"), torch.no_grad():
            layers = nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU6(), nn.MaxPool2d(2), nn.Hardswish()
            network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()
            y = network[:5](torch.empty(1, 3, 33, 33))
            return [*torch.cat([y + 1, y], 1).shape, *network(torch.empty(1, 3, 33, 33)).shape]
"""


def run(program: str) -> list[str]:
    """The lines that a program prints after the beginning that all have in common."""
    program = textwrap.dedent(BEGINNING) + textwrap.dedent(program)
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


def test_structure_is_measured_without_the_compiler() -> None:
    found = run("""
        from catalog.records import Measure, Subject
        from catalog.verify.structure import Structure

        for paper, variant, size in (("lenet", "lenet5", (1, 32)), ("resnet", "resnet50", (3, 224))):
            subject = Subject(variant=variant, input=[*size, size[-1]])
            print(Structure(paper).measure(subject, Measure.model_validate("macs")), there())
        for broken in (nn.Conv2d(4, 8, 3), nn.Conv2d(3, 8, 9), nn.Linear(7, 2)):
            try:
                with without_compiler(), torch.no_grad():
                    broken.to("meta")(torch.empty(1, 3, 8, 8, device="meta"))
            except RuntimeError:
                print("sizes that do not fit", there())
    """)
    assert found == ["325680 []", "3857973248 []", *["sizes that do not fit []"] * 3]


def test_sizes_are_the_same_and_nothing_is_left_behind() -> None:
    found = run("""
        try:
            with without_compiler():
                import sympy
                from torch.fx.experimental import symbolic_shapes
                from torch.fx.experimental.symbolic_shapes import guard_or_false, sym_and, sym_eq

                stood_in = forward()
                raise KeyError
        except KeyError:
            pass
        marked = [f for f in gc.get_objects() if getattr(f, "__dict__", None) and "__dynamo_disable" in vars(f)]
        print(there(), marked, "_dynamo" in vars(torch), "symbolic_shapes" in vars(torch.fx.experimental))

        # Functions that somebody has kept know numbers, and leave symbols to the real ones.
        assert guard_or_false(True) and not guard_or_false(False)
        assert sym_and(True, True) and not sym_and(True, False)
        assert sym_eq((1, 2), torch.Size([1, 2])) and not sym_eq((1, 2), (1,)) and not sym_eq(1, 2)
        print(there())
        from torch.fx.experimental.symbolic_shapes import ShapeEnv

        size = ShapeEnv().create_unbacked_symint()
        print(guard_or_false(size == 3), bool(sym_and(size == size, True)), type(sym_eq(size, 3)).__name__)

        # Whoever has kept a module has the real one.
        assert sympy.Basic is sys.modules["sympy"].Basic
        assert symbolic_shapes.guard_or_false is sys.modules["torch.fx.experimental.symbolic_shapes"].guard_or_false
        print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(2)).tolist())

        print(forward() == stood_in)
        compiler = torch._dynamo
        with without_compiler():
            print(torch._dynamo is compiler)
        print(torch._dynamo is compiler)
    """)
    assert found == ["[] [] False False", "[]", "False True SymBool", "[2.0, 2.0]", "True", "True", "True"]


@pytest.mark.parametrize(
    "use",
    [
        "import torch._dynamo.utils; torch._dynamo.utils.counters",
        "torch.compile(lambda x: x + 1, backend='eager')(torch.ones(2))",
        "from torch.fx.experimental.symbolic_shapes import guard_or_false, ShapeEnv; ShapeEnv()",
        "from sympy import Symbol; assert Symbol('x') - Symbol('x') == 0",
    ],
)
def test_they_give_way_to_the_real_ones(use: str) -> None:
    found = run(f"""
        with without_compiler():
            forward()
            print(real())
            {use}
            print(there() == real() != [])
            forward()
        print(there() == real() != [])
    """)
    assert found == ["[]", "True", "True"]

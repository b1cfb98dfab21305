"""The one entry: nox -s demo, dev, tests, slow, lint, docs, checks, coverage, build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["tests"]

CONSTRAINTS = ("-c", "constraints.txt")
OLDEST = ("-c", "constraints-oldest.txt")
#: Those of pyproject.toml.
PYTHONS = ["3.11", "3.12", "3.13"]
#: What the sessions below run unless tests are named.
MAIN_PARTS = ("tests/unit/io", "tests/unit/session", "tests/unit/ui", "tests/window")
#: Tests start the program some hundred times; to compile it each time takes seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
#: What napari's window needs on a bare Debian or Ubuntu.
PACKAGES = [
    "xvfb",
    "xauth",
    "libgl1",
    "libegl1",
    "libxcb-cursor0",
    "libxkbcommon-x11-0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-render-util0",
    "libxcb-xinerama0",
    "libxcb-shape0",
    "libdbus-1-3",
    "libglib2.0-0",
    "libfontconfig1",
]
#: Those that are not needed with a screen.
SCREEN_PACKAGES = ("xvfb", "xauth")
KERNELS = "tests/unit/learning/losses/test_kernels.py"
#: Training with Triton, in a process of its own beside a window drawn by software.
BESIDE_A_WINDOW = ("tests/window/test_process.py", "-k", "triton")
#: Schemas that check-jsonschema brings, and the files that they describe.
FORMS = {
    "vendor.citation-file-format": "CITATION.cff",
    "vendor.github-workflows": ".github/workflows/*.yml",
    "vendor.github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
    "vendor.github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
}
SCREEN = "-screen 0 1600x1100x24"


def install(
    session: nox.Session,
    extras: str,
    *groups: str,
    constraints: tuple[str, ...] = CONSTRAINTS,
) -> None:
    """Install the package and dependency groups at the pinned versions."""
    chosen = [part for group in groups for part in ("--group", group)]
    session.run("python", "-m", "pip", "install", "-q", "pip>=25.1", silent=True)
    session.install("-e", f".[{extras}]", *chosen, *constraints)


def with_screen(session: nox.Session) -> list[str]:
    """Give the words to put before a command so that it has a screen.

    Without a screen it is Xvfb, whose Debian packages are installed where we may.
    """
    if sys.platform != "linux":
        return []
    own = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    wanted = [p for p in PACKAGES if not (own and p in SCREEN_PACKAGES)]
    debian = shutil.which("apt-get") and shutil.which("dpkg-query")
    missing = [p for p in wanted if not _installed(p)] if debian else []
    if missing and os.geteuid() == 0:
        session.log("installing %s", " ".join(missing))
        quiet = {"env": {"DEBIAN_FRONTEND": "noninteractive"}, "external": True}
        session.run("apt-get", "update", "-qq", silent=True, **quiet)
        session.run("apt-get", "install", "-y", "-qq", *missing, silent=True, **quiet)
    elif missing:
        session.error(f"Install first: sudo apt-get install {' '.join(missing)}")
    if own:
        return []
    if not shutil.which("xvfb-run"):
        session.error("The window's tests need a screen; install Xvfb (xvfb-run).")
    return ["xvfb-run", "-a", "-s", SCREEN]


def _installed(package: str) -> bool:
    """Whether a package is there, perhaps under a later name (libglib2.0-0t64)."""
    asked = ["dpkg-query", "-W", "-f=${Status};", package, f"{package}t64"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    return "install ok installed" in found.stdout


def python_of(environment: Path) -> str:
    """Return the path of an environment's interpreter."""
    inside = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    return str(environment / inside)


@nox.session(venv_backend="none")
def dev(session: nox.Session) -> None:
    """Make .venv to work in, and install the hooks that check each commit."""
    session.run(sys.executable, "-m", "venv", ".venv")
    python = python_of(Path(".venv"))
    pip = (python, "-m", "pip", "install", "-q")
    session.run(*pip, "pip>=25.1")
    groups = ("--group", "tests", "--group", "lint", "--group", "docs")
    session.run(*pip, "-e", ".[all]", *groups, *CONSTRAINTS)
    session.run(python, "-m", "pre_commit", "install")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job on real MRI, without questions or downloads of data."""
    gui = "--gui" in session.posargs
    install(session, "all" if gui else "samples")
    before = with_screen(session) if gui else []
    session.run(*before, "contrastseg", "demo", *session.posargs, external=True)


def with_triton(session: nox.Session) -> None:
    """Run the tests that need Triton, which is in a folder of its own.

    Its LLVM and that of a software OpenGL crash in one process, so the other tests of
    the window must not find it.
    """
    folder = f"{session.virtualenv.location}/triton"
    pip = ("python", "-m", "pip", "install", "-q", "--no-deps", "--upgrade")
    session.run(*pip, "--target", folder, "triton", *CONSTRAINTS)
    test = ("python", "-m", "pytest", "-q")
    for chosen in ((KERNELS,), BESIDE_A_WINDOW):
        session.run(*test, *chosen, env={"PYTHONPATH": folder, "MPLBACKEND": "agg"})


@nox.session
def tests(session: nox.Session) -> None:
    """Run what is not marked slow; tests that need Triton first, by themselves."""
    install(session, "all", "tests")
    with_screen(session)  # every worker starts an Xvfb of its own
    if sys.platform == "linux" and not session.posargs:
        with_triton(session)
    run_tests(session, "--durations", "20", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that `tests` leaves out, and properties with many examples."""
    install(session, "all", "tests")
    with_screen(session)
    chosen = ("-m", "slow or hypothesis", "--hypothesis-profile", "long")
    run_tests(session, *chosen, *session.posargs)


def run_tests(session: nox.Session, *words: str) -> None:
    """Run chosen tests on all cores."""
    shared = ("-n", "logical", "--maxprocesses", "4", "--dist", "worksteal")
    session.run("python", "-m", "pytest", *shared, *words, env={"MPLBACKEND": "agg"})


def main_parts(session: nox.Session, **env: str) -> None:
    """Run the smoke test in a real viewer, then the chosen tests or the main parts.

    Triton, which torch's build for CUDA brings, is there for the first alone.
    """
    before = with_screen(session)
    session.run(*before, "python", "tests/smoke.py", external=True, env=env)
    session.run("python", "-m", "pip", "uninstall", "-q", "-y", "triton")
    chosen = session.posargs or MAIN_PARTS
    session.run("python", "-m", "pytest", *chosen, env={"MPLBACKEND": "agg", **env})


@nox.session(name="tests-python", python=PYTHONS)
def tests_python(session: nox.Session) -> None:
    """Run the main parts of the suite with another Python: nox -s tests-python-3.12."""
    install(session, "all", "tests")
    main_parts(session)


@nox.session(name="tests-oldest", python=PYTHONS[0])
def tests_oldest(session: nox.Session) -> None:
    """Run the main parts with the oldest versions that pyproject.toml allows."""
    install(session, "all,microscopy,cluster", "tests", constraints=OLDEST)
    main_parts(session)


@nox.session(name="tests-pyside6")
def tests_pyside6(session: nox.Session) -> None:
    """Run the tests of the window with PySide6; PyQt6 is not installed."""
    install(session, "samples,bench,dicom,share,pyside6", "tests")
    main_parts(session, QT_API="pyside6", PYTEST_QT_API="pyside6")


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the test suite, print its coverage, and name the modules below 80 %.

    Takes about twice as long as the tests. ``docs/coverage.md`` is written from it.
    """
    install(session, "all", "tests")
    with_screen(session)
    folder = Path(session.create_tmp()).resolve()
    env = {"MPLBACKEND": "agg", "COVERAGE_FILE": str(folder / "data")}
    shared = ("-n", "logical", "--maxprocesses", "4", "--dist", "worksteal")
    measured = ("--cov", "--cov-config=pyproject.toml", "--cov-report=term")
    test = ("python", "-m", "pytest", *shared, *measured, *session.posargs)
    session.run(*test, env=env)
    found = str(folder / "coverage.json")
    session.run("coverage", "json", "-q", "-o", found, env=env)
    session.run("python", "docs/make_coverage.py", found)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, import contracts, spelling, the manifest and results."""
    install(session, "all", "tests", "lint")
    check(session)


def check(session: nox.Session) -> None:
    """Check all but what tests show."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("typos")
    session.run("validate-pyproject", "pyproject.toml")
    for schema, files in FORMS.items():
        found = sorted(str(path) for path in Path().glob(files))
        session.run("check-jsonschema", "--builtin-schema", schema, *found)
    session.run("npe2", "validate", "napari_contrastseg")
    examples = ("tests/contracts/test_extending.py", "-k", "written or imports")
    session.run("python", "-m", "pytest", "-q", *examples)
    session.run("python", "docs/list_results.py", "--check")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, every warning an error; print its sentence lengths."""
    install(session, "all", "docs")
    build_docs(session)


def build_docs(session: nox.Session) -> None:
    """Build the pages into site/."""
    session.run("mkdocs", "build", "--strict", "--quiet")
    session.run("python", "docs/readability.py")


@nox.session
def checks(session: nox.Session) -> None:
    """Do what `lint` and `docs` do, in one environment instead of two."""
    install(session, "all", "tests", "lint", "docs")
    check(session)
    build_docs(session)


@nox.session
def build(session: nox.Session) -> None:
    """Build sdist and wheel into dist/, check them, and try the wheel in a bare place.

    With ``-- --tag v0.1.0`` the tag must name the version.
    """
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "pip", "install", "-q", "pip>=25.1", silent=True)
    session.install("--group", "build", *CONSTRAINTS)
    session.run("python", "-m", "build")
    files = sorted(str(path) for path in Path("dist").iterdir())
    session.run("twine", "check", "--strict", *files)
    (wheel,) = (file for file in files if file.endswith(".whl"))
    session.run("check-wheel-contents", wheel)
    if session.posargs[:1] == ["--tag"]:
        version = Path(wheel).name.split("-")[1]
        if session.posargs[1:] != [f"v{version}"]:
            session.error(f"The tag is {session.posargs[1:]}, the version {version}.")
    # a second environment, which has the wheel and nothing of the clone
    folder = Path(session.create_tmp()).resolve()
    bare = folder / "bare"
    session.run("python", "-m", "venv", "--clear", str(bare))
    python = python_of(bare)
    run = partial(session.run, external=True)
    install = (python, "-m", "pip", "install", "-q")
    run(*install, f"{wheel}[all]", *CONSTRAINTS)
    before = with_screen(session)
    smoke = Path("tests/smoke.py").resolve()
    with session.chdir(folder):
        run(*before, python, "-I", str(smoke))


@nox.session
def screenshots(session: nox.Session) -> None:
    """Make the documentation's screenshots again."""
    install(session, "all")
    before = with_screen(session)
    session.run(*before, "python", "docs/make_screenshots.py", external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Run a benchmark: nox -s bench -- ui --json -."""
    install(session, "all")
    before = with_screen(session)
    session.run(*before, "contrastseg", "bench", *session.posargs, external=True)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz every reader: nox -s fuzz -- SECONDS_EACH RESULT.json (Linux)."""
    install(session, "all", "tests", "fuzz")
    session.run("python", "-m", "tests.fuzz.run", *session.posargs)

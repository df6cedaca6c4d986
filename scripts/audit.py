"""Known faults of every package in constraints.txt, by pip-audit: `make audit`.

Ends with 0 where there are none, 1 where there are some, 3 where its service could not be asked about every package:
pip-audit itself ends with 0 there.
"""

import json
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip"]
    try:
        done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, timeout=600)  # noqa: S603, PLW1510
    except subprocess.TimeoutExpired:
        return unreachable("it did not answer within 10 minutes")
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return unreachable((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    return verdict(packages)


def verdict(packages: list[dict[str, object]]) -> int:
    """Tell what pip-audit found, and the exit code."""
    faulty = {str(package["name"]): package["vulns"] for package in packages if package.get("vulns")}
    for name, faults in faulty.items():
        assert isinstance(faults, list)
        for fault in faults:
            tell(f"{name}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version yet'}")
    unknown = [str(package["name"]) for package in packages if "skip_reason" in package]
    if faulty:
        return 1
    if unknown or not packages:
        return unreachable(f"{len(unknown)} of {len(packages)} packages could not be looked up, such as {unknown[:3]}")
    tell(f"no known faults in {len(packages)} packages")
    return 0


def unreachable(why: str) -> int:
    tell(f"not audited: {why}; try again where https://pypi.org can be reached")
    return 3


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())

"""Print the project's requirements with the named extras, for installers that can't read pyproject.toml."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]


def expand(requirement: str) -> list[str]:
    """Return the requirement, or those of the project's own extras that it names."""
    own = re.fullmatch(r"jupyter_mlops\[(.+)\]", requirement)
    if not own:
        return [requirement]
    return [r for extra in own[1].split(",") for each in project["optional-dependencies"][extra] for r in expand(each)]


found = [*project["dependencies"], *(r for extra in sys.argv[1:] for r in expand(f"jupyter_mlops[{extra}]"))]
print(" ".join(dict.fromkeys(found)))

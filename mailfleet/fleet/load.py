"""Load a fleet from an inventory and group_data, checked as a whole."""

from pathlib import Path

from pydantic import ValidationError
from pyinfra.api.inventory import Inventory

from mailfleet.fleet.check import check_host
from mailfleet.fleet.definition import Schema
from mailfleet.fleet.errors import Problem, SettingsError
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.origin import Sources
from mailfleet.fleet.rules import fleet_problems
from mailfleet.pyinfra_compat import forget_compiled_files


def fleet_of(inventory: Inventory, sources: Sources, schema: Schema) -> Fleet:
    """Check every host of an inventory. Raises SettingsError with all problems at once."""
    hosts: dict[str, Host] = {}
    problems: list[Problem] = []
    for pyinfra_host in inventory:
        name = pyinfra_host.name
        values = sources.host_values(inventory, name)
        hosts[name], found = check_host(schema, name, pyinfra_host.groups, values)
        problems += found
    fleet = Fleet(hosts, sources.directory, schema)
    if not hosts:
        problems.append(Problem(sources.inventory, "", "has no hosts"))
    if not problems:
        problems = fleet_problems(fleet)
    if problems:
        raise SettingsError(problems)
    return fleet


def load_fleet(inventory: str, schema: Schema) -> Fleet:
    """Load and check a fleet the way pyinfra does. Raises SettingsError."""
    return fleet_of(load_inventory(inventory), Sources(inventory), schema)


def load_inventory(inventory: str) -> Inventory:
    """pyinfra's inventory of a file. Raises SettingsError."""
    # Late: only the command line loads inventories itself, pyinfra runs have one.
    from pyinfra.api.state import State
    from pyinfra.context import ctx_state
    from pyinfra_cli.inventory import make_inventory

    if not Path(inventory).is_file():
        raise SettingsError([Problem(inventory, "", "no such inventory file")])
    # pyinfra reads group_data there, and each setting in it would be told as missing.
    project = Path(inventory).resolve().parent.parent
    if not Path("group_data").is_dir() and (project / "group_data").is_dir():
        told = f"group_data is read from the working directory: run this in {project}"
        raise SettingsError([Problem(inventory, "", told)])
    forget_compiled_files()
    try:
        with ctx_state.use(State()):
            loaded: Inventory = make_inventory(
                # Absolute: pyinfra remembers what it executed by file name.
                str(Path(inventory).resolve()),
                cwd=str(Path.cwd()),
            )
    except (Exception, SystemExit) as error:
        # Inventory and group_data files are the operator's Python: anything can go wrong there.
        raise SettingsError([Problem(inventory, "", python_error(error))]) from None
    return loaded


def python_error(error: BaseException) -> str:
    """What went wrong in inventory or group_data, told without their lines: a password may
    stand there."""
    # pyinfra wraps what went wrong in the operator's files.
    error = getattr(error, "exception", error)
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    if isinstance(error, SystemExit) and isinstance(error.code, str):
        return error.code
    trace = error.__traceback__
    place = ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "group_data" in file or "inventories" in file:
            place = f"{file}:{trace.tb_lineno}: "
        trace = trace.tb_next
    if isinstance(error, ValidationError):
        details = error.errors(include_url=False, include_input=False)
        message = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in details)
        return f"{place}{error.title}: {message}"
    return f"{place}{type(error).__name__}: {error}"

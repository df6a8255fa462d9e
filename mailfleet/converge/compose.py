"""How compose projects and the files mounted into them are checked before they are put in place."""

from collections.abc import Mapping

from mailfleet.converge.bundle import Check


def compose_checks(
    compose_file: str, image: str, consumers: Mapping[str, tuple[str, str]]
) -> tuple[Check, ...]:
    """Compose accepts the file and the image exists; then the program in the image reads each
    configuration file.

    `consumers` maps a file to the options of `docker run` (with `$stage` in them) and the
    arguments of the program that checks it."""
    directory = compose_file.rpartition("/")[0]
    # In the stage, where files that the compose file names beside itself are the new ones.
    compose = f"docker compose --file $stage{compose_file} --project-directory $stage{directory}"
    pull = f"docker image inspect {image} >/dev/null || docker pull --quiet {image}"
    run = f"docker run --rm --network none {{options}} {image} {{arguments}} >/dev/null"
    return (
        Check((compose_file,), f"{compose} config --quiet", "docker compose config"),
        Check((compose_file,), pull, f"docker pull {image}"),
        *(
            Check(
                (path, compose_file),
                run.format(options=options, arguments=arguments),
                arguments.split()[0] if not arguments.startswith("-") else options.split()[-1],
            )
            for path, (options, arguments) in consumers.items()
        ),
    )

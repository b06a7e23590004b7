"""`minitx doctor`: what this machine has, and whether it computes correctly."""

from dataclasses import dataclass

from minitx.cli.terminal import print_json


@dataclass(frozen=True)
class Doctor:
    """Say what this machine has, and check that it computes a known forward pass correctly."""

    json: bool = False
    """Print the results as JSON."""

    def run(self) -> None:
        from minitx.cli import doctor

        found = doctor.examine()
        if self.json:
            print_json(found)
        else:
            for name, value in found.items():
                print(f"{name:16} {value}")
        doctor.judge(found)

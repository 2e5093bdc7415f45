"""Linux's files of hardware, in a folder that a test fills."""

from pathlib import Path

WIRELESS = """\
Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
{lines}
"""
ON_SCALE = "  wlan1: 0000   70.   63.    0.        0      0      0      0     12        0"
IN_DBM = "  wlan0: 0000   54.  -56.  -256        0      0      0      0     12        0"


def write(root: Path, path: str, text: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def wireless(root: Path, *lines: str) -> Path:
    return write(root, "proc/net/wireless", WIRELESS.format(lines="\n".join(lines)))


def battery(root: Path, name: str = "BAT0", **files: str) -> Path:
    for file, text in ({"type": "Battery\n"} | files).items():
        write(root, f"sys/class/power_supply/{name}/{file}", text)
    return root / "sys/class/power_supply" / name


def zone(root: Path, number: int, kind: str, temp: str) -> Path:
    write(root, f"sys/class/thermal/thermal_zone{number}/type", kind + "\n")
    return write(root, f"sys/class/thermal/thermal_zone{number}/temp", temp + "\n")

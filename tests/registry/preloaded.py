"""What a server of processes imports once: the version that its children register."""

from tests.registry.versions import make_version

make_version()

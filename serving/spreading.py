"""Spreads requests over the server's processes, each of which has a line of its own.

The kernel gives a new connection to whichever process takes it first, and there it stays: a request
could wait in one process while the next one has nothing to do. So a process that finds a request on
a connection hands that connection, before it reads any of it, to one that has less to do.
"""

import mmap
import socket

# Instead of a number: no process has this slot, or one that stops.
_NOBODY = 255
_BUSIEST = 254


class Spreading:
    """What the processes know of each other, and how they hand each other connections.

    Made by the first process, before it forks. Each other one has a slot, see
    `serving.observing.processes.Shared`; those without a place here answer what they take on.
    """

    def __init__(self, slots: int) -> None:
        """Begins without processes.

        Args:
            slots: how many there may be, while new ones replace old ones too.
        """
        # Anonymous: shared with what is forked. Each byte is written by one process alone.
        self._loads = mmap.mmap(-1, slots)
        self._loads[:] = bytes([_NOBODY]) * slots
        # Datagrams hold a connection each. Both ends stay open in the first process, so that what
        # was handed to one that died is not lost.
        self._boxes = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(slots)]
        for end in (end for box in self._boxes for end in box):
            end.setblocking(False)

    def find_box(self, slot: int) -> socket.socket | None:
        """Returns what becomes readable when a connection was handed to a slot."""
        return self._boxes[slot][0] if slot < len(self._boxes) else None

    def note(self, slot: int, load: int) -> None:
        """Tells the others how much the process of a slot has to do.

        Args:
            slot: whose.
            load: how many photos are recognised there, or wait for that.
        """
        if slot < len(self._boxes):
            self._loads[slot] = min(load, _BUSIEST)

    def leave(self, slot: int) -> None:
        """Tells the others to hand nothing more to a slot."""
        if slot < len(self._boxes):
            self._loads[slot] = _NOBODY

    def find_idler(self, load: int) -> int | None:
        """Returns the slot that has least to do, where that is less than a process has itself."""
        least, slot = min(zip(self._loads[:], range(len(self._boxes)), strict=True))
        return slot if least < load else None

    def hand(self, connection: socket.socket, slot: int) -> bool:
        """Hands a connection to a slot; returns whether that went, and this copy can be closed."""
        try:
            socket.send_fds(self._boxes[slot][1], [b"."], [connection.fileno()])
        except OSError:  # too much is on its way
            return False
        return True

    def take(self, slot: int) -> socket.socket | None:
        """Returns a connection that was handed to a slot, None where none is left."""
        try:
            _, found, _, _ = socket.recv_fds(self._boxes[slot][0], 1, 1)
        except OSError:
            return None
        return socket.socket(fileno=found[0]) if found else None

    def forget(self, slot: int) -> None:
        """Hands on what a process that died had not taken yet; called by the first process."""
        self.leave(slot)
        other = self.find_idler(_NOBODY)
        # Where there is nobody else, the next process with this slot finds them.
        while slot < len(self._boxes) and other is not None and (found := self.take(slot)):
            with found:
                self.hand(found, other)

#!/usr/bin/env python3
"""A chat server behind realmgate, by hand from the bytes of docs/link.md: standard library only, one file.

    python3 examples/backend.py 127.0.0.1:7102

docs/backends.md explains it, chat_backend.rs is the same server in Rust, conf/examples/chat.toml is a gateway for both.

A frame of the game is a length u32 (counts what follows), an ID u16 and a text, big-endian. A player sends a name
as 100 and reads 101 (welcome), then sends lines as 200 and reads lines as 201. "/join ROOM" enters a room; any other
line is said to everybody in it.
"""

import asyncio
import json
import signal
import struct
import sys
import time

# Types of envelopes, TLVs and reasons: the numbers of docs/link.md that a chat needs.
HELLO, HELLO_ACK, PING, PONG, LOAD, STATE, ERROR = 1, 2, 3, 4, 5, 6, 9
OPEN, CLOSE, BIND, KICK, ATTRIBUTES, FRAME, BROADCAST, JOIN, LEAVE = 16, 17, 18, 19, 24, 32, 34, 48, 49
T_VERSION, T_NAME, T_BOOT_ID, T_CAPACITY, T_STATE, T_SESSIONS = 1, 7, 8, 9, 10, 12
T_ACCOUNT, T_ATTRIBUTES, T_EPOCH, T_REASON, T_TEXT, T_ROOM = 19, 22, 23, 24, 25, 30
UNAUTHORIZED, MALFORMED = 0x8003, 0x8004
OK, DRAINING = 0, 3
# What must be there, and what it must be: only then may it be read without a second look.
REQUIRED = {HELLO: {1: 2, 2: 2, 3: 2, 4: None}, OPEN: {16: None, 17: 1, 18: None}, CLOSE: {24: 2}, ERROR: {24: 2}}
OF_THE_LINK, OF_A_SESSION = (HELLO, PING, PONG), (OPEN, CLOSE, ATTRIBUTES, FRAME)

LINK = 0
MAX_ENVELOPE, MAX_NAME, LONGEST_LINE, CAPACITY = 1 << 20, 128, 1000, 10_000
LOGIN, WELCOME, SAID, HEARD = 100, 101, 200, 201


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def read_tlvs(data):
    """A dictionary; of a TLV that is there twice the last one counts."""
    found, at = {}, 0
    while at < len(data):
        if at + 3 > len(data):
            raise ValueError("a torn TLV")
        kind, length = struct.unpack_from(">BH", data, at)
        at += 3 + length
        if at > len(data):
            raise ValueError("a torn TLV")
        found[kind] = data[at - length : at]
    return found


async def read_envelope(stream):
    """Type, session, TLVs and payload. The length is judged before anything is read."""
    (length,) = struct.unpack(">I", await stream.readexactly(4))
    if not 12 <= length <= MAX_ENVELOPE:
        raise ValueError(f"an envelope of {length} bytes")
    body = await stream.readexactly(length)
    kind, _flags, tlv_length, session = struct.unpack_from(">BBHQ", body)
    if 12 + tlv_length > length:
        raise ValueError("TLVs that end behind the envelope")
    tlvs = read_tlvs(body[12 : 12 + tlv_length])
    if kind in OF_THE_LINK and session != LINK or kind in OF_A_SESSION and session == LINK:
        raise ValueError(f"type {kind} with session {session}")
    for needed, width in REQUIRED.get(kind, {}).items():
        if len(tlvs.get(needed, b"")) != width and (width or needed not in tlvs):
            raise ValueError(f"type {kind} without a good TLV {needed}")
    if kind >= 0x80:
        raise ValueError(f"the unknown type {kind}")
    return kind, session, tlvs, body[12 + tlv_length :]


def frame(frame_id, text):
    body = text.encode()
    return struct.pack(">IH", 2 + len(body), frame_id) + body


def room_in(attributes):
    """The room that the attributes of a session name."""
    try:
        room = json.loads(attributes).get("room")
    except ValueError:  # the gateway looks at the braces only
        return None
    return room if isinstance(room, str) else None


class Server:
    """What all links share."""

    def __init__(self):
        self.boot_id = time.time_ns()  # new at each start: an earlier life's sessions are forgotten
        self.state = OK
        self.links = set()

    def players(self):
        return sum(len(link.players) for link in self.links)

    def drain(self):
        """No new players from now on; those who are here go on."""
        self.state = DRAINING
        self.say_to_all(STATE, tlv(T_STATE, bytes([DRAINING])) + tlv(T_TEXT, b"SIGTERM"))

    def report(self):
        sessions = tlv(T_SESSIONS, struct.pack(">I", self.players()))
        self.say_to_all(LOAD, sessions + tlv(T_CAPACITY, struct.pack(">I", CAPACITY)))

    def say_to_all(self, kind, tlvs):
        for link in self.links:
            if link.greeted:
                link.say(kind, LINK, tlvs)

    async def accept(self, reader, writer):
        link = Link(self, writer)
        self.links.add(link)
        try:
            await link.serve(reader)
        except ValueError as error:
            link.say(ERROR, LINK, tlv(T_REASON, struct.pack(">H", MALFORMED)) + tlv(T_TEXT, str(error).encode()))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the gateway is gone, or this server ends
        finally:
            self.links.discard(link)
            writer.close()


class Link:
    """One connection of a gateway. All that is about its sessions goes over it, both ways."""

    def __init__(self, server, writer):
        self.server, self.writer = server, writer
        self.greeted = False
        self.players = {}  # session: [name, room]

    async def serve(self, reader):
        while True:
            self.hear(*await read_envelope(reader))
            await self.writer.drain()  # where the gateway does not read, this waits and reads nothing

    def say(self, kind, session, tlvs=b"", payload=b""):
        length = 12 + len(tlvs) + len(payload)
        self.writer.write(struct.pack(">IBBHQ", length, kind, 0, len(tlvs), session) + tlvs + payload)

    def tell(self, session, frame_id, text):
        """A frame of the game for one player."""
        self.say(FRAME, session, payload=frame(frame_id, text))

    def hear(self, kind, session, tlvs, payload):
        """One envelope of the gateway. Types that a chat has no use for are skipped."""
        if kind == HELLO:
            name, boot_id = tlv(T_NAME, b"chat-python"), tlv(T_BOOT_ID, struct.pack(">Q", self.server.boot_id))
            version, state = tlv(T_VERSION, struct.pack(">H", 1)), tlv(T_STATE, bytes([self.server.state]))
            self.say(HELLO_ACK, LINK, version + name + boot_id + state)
            self.greeted = True
        elif kind == PING:
            self.say(PONG, LINK, payload=payload)
        elif kind == OPEN:
            # Account and attributes are there if another backend had the session before.
            name = tlvs[T_ACCOUNT].decode() if T_ACCOUNT in tlvs else None
            self.players[session] = [name, room_in(tlvs.get(T_ATTRIBUTES, b"{}"))]
        elif kind == CLOSE:
            self.players.pop(session, None)
        elif kind == FRAME and session in self.players and len(payload) >= 6:
            (frame_id,), text = struct.unpack_from(">H", payload, 4), payload[6:].decode(errors="replace")
            if frame_id == LOGIN:
                self.log_in(session, text)
            elif frame_id == SAID:
                self.said(session, text)
        elif kind == ERROR:
            print("the gateway says:", tlvs.get(T_TEXT, b"").decode(errors="replace"), file=sys.stderr)

    def log_in(self, session, name):
        """A game would look into its database first. BIND may come at any time."""
        if not 1 <= len(name.encode()) <= MAX_NAME:
            text = "a name has 1 to 128 bytes"
            self.say(KICK, session, tlv(T_REASON, struct.pack(">H", UNAUTHORIZED)) + tlv(T_TEXT, text.encode()))
            return
        self.players[session][0] = name
        # Every login of an account needs a higher epoch than the one before, wherever it happens.
        self.say(BIND, session, tlv(T_ACCOUNT, name.encode()) + tlv(T_EPOCH, struct.pack(">Q", time.time_ns())))
        self.tell(session, WELCOME, f"welcome, {name}")

    def said(self, session, text):
        name, room = self.players[session]
        if name is None:
            return
        if text.startswith("/join "):
            wanted = text.removeprefix("/join ")
            if 1 <= len(wanted.encode()) <= MAX_NAME:
                self.enter(session, room, wanted)
            else:
                self.tell(session, HEARD, "the name of a room has 1 to 128 bytes")
        elif room is None:
            self.tell(session, HEARD, "you are in no room: /join ROOM")
        elif len(text.encode()) > LONGEST_LINE:
            self.tell(session, HEARD, "a line has at most 1000 bytes")
        else:  # one envelope for all of the room, whichever link or backend they are at
            self.say(BROADCAST, LINK, tlv(T_ROOM, room.encode()), frame(HEARD, f"{name}: {text}"))

    def enter(self, session, before, room):
        """The rooms are the gateway's. The attribute is for the backend that has this session after us."""
        if before is not None:
            self.say(LEAVE, session, tlv(T_ROOM, before.encode()))
        self.say(JOIN, session, tlv(T_ROOM, room.encode()))
        attributes = json.dumps({"room": room}, separators=(",", ":"), ensure_ascii=False)
        self.say(ATTRIBUTES, session, tlv(T_ATTRIBUTES, attributes.encode()))
        self.players[session][1] = room
        self.tell(session, HEARD, f"you are in {room}")


async def main(address):
    host, _, port = address.rpartition(":")
    server = Server()
    listener = await asyncio.start_server(server.accept, host, int(port))
    print("listening on {}:{}".format(*listener.sockets[0].getsockname()[:2]), flush=True)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.drain)
    # Whoever drains goes on accepting: probes ask how it is, and players who are here may get another link.
    while True:
        was_draining = server.state == DRAINING
        server.report()
        await asyncio.sleep(1)
        if was_draining and server.players() == 0:
            return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7102"))

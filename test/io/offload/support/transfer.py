"""Both ends of a transfer, which know nothing of what is between them.

serve ADDRESS PORT           TCP: takes one connection, prints what arrived
send ADDRESS PORT BYTES      TCP: sends random bytes, prints what it sent
take ADDRESS PORT            UDP: takes datagrams until an empty one, prints them
give ADDRESS PORT SIZE N G   UDP: sends N datagrams of SIZE bytes, G in a call (UDP_SEGMENT), the last one shorter
"""

import hashlib
import json
import os
import socket
import sys

# include/uapi/linux/udp.h
SOL_UDP, UDP_SEGMENT = 17, 103
BLOCK = 1 << 20


def say(**facts):
    print(json.dumps(facts), flush=True)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(address, port):
    with socket.socket(family(address), socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, int(port)))
        listener.listen()
        print("ready", flush=True)
        listener.settimeout(60)
        connection, _ = listener.accept()
    digest, count = hashlib.sha256(), 0
    with connection:
        connection.settimeout(60)
        while data := connection.recv(BLOCK):
            digest.update(data)
            count += len(data)
    say(bytes=count, sha256=digest.hexdigest())


def send(address, port, size):
    digest, left = hashlib.sha256(), int(size)
    with socket.create_connection((address, int(port))) as connection:
        while left > 0:
            data = os.urandom(min(BLOCK, left))
            connection.sendall(data)
            digest.update(data)
            left -= len(data)
    say(bytes=int(size), sha256=digest.hexdigest())


def take(address, port):
    with socket.socket(family(address), socket.SOCK_DGRAM) as receiver:
        # SO_RCVBUFFORCE: what is not taken in time would be lost.
        receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 25)
        receiver.bind((address, int(port)))
        receiver.settimeout(60)
        print("ready", flush=True)
        digest, sizes = hashlib.sha256(), []
        while data := receiver.recv(65536):
            digest.update(len(data).to_bytes(4, "big") + data)
            sizes.append(len(data))
        say(datagrams=len(sizes), sizes=sorted(set(sizes)), sha256=digest.hexdigest())


def give(address, port, size, count, together):
    size, count, together = int(size), int(count), int(together)
    digest = hashlib.sha256()
    with socket.socket(family(address), socket.SOCK_DGRAM) as sender:
        sender.connect((address, int(port)))
        if together > 1:
            sender.setsockopt(SOL_UDP, UDP_SEGMENT, size)
        for first in range(0, count, together):
            number = min(together, count - first)
            # The last one of all is shorter.
            data = os.urandom(number * size - (size // 3 if first + number == count else 0))
            sender.send(data)
            for at in range(0, len(data), size):
                piece = data[at : at + size]
                digest.update(len(piece).to_bytes(4, "big") + piece)
        if together > 1:
            sender.setsockopt(SOL_UDP, UDP_SEGMENT, 0)
        sender.send(b"")
    say(datagrams=count, sizes=sorted({size, size - size // 3}), sha256=digest.hexdigest())


{"serve": serve, "send": send, "take": take, "give": give}[sys.argv[1]](*sys.argv[2:])

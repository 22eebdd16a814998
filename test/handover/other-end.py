"""The other end of a handover, by Python's own socket module; says in JSON what it has seen."""
import fcntl, json, os, select, socket, struct, sys

TUNGETIFF = 0x800454D2

def say(**what):
    print(json.dumps(what), flush=True)

def name_of(fd):
    return fcntl.ioctl(fd, TUNGETIFF, bytes(40))[:16].split(b"\0")[0].decode()

def address(path):
    return "\0" + path[1:] if path.startswith("@") else path

def connected(path):
    s = socket.socket(socket.AF_UNIX)
    # With a time limit, a queue of connections that is full would be EAGAIN (unix(7)).
    s.connect(address(path))
    s.settimeout(30)
    return s

def take(path):
    """Takes an fd, says what came with it, and then each packet it reads, until stdin ends."""
    s = connected(path)
    data, fds, flags, _ = socket.recv_fds(s, 16, 4)
    say(bytes=len(data), fds=[name_of(fd) for fd in fds], end=len(s.recv(1)))
    for line in sys.stdin:
        say(packet=os.read(fds[0], 65536).hex())

def leave(path):
    """Connects and goes without receiving."""
    connected(path).close()
    say(left=True)

def stall(path):
    """Connects, receives nothing until it is told to, and says what it has then."""
    s = connected(path)
    say(connected=True)
    sys.stdin.readline()
    data, fds, _, _ = socket.recv_fds(s, 16, 4)
    say(bytes=len(data), fds=len(fds), end=len(s.recv(1)))

def half(path, then):
    """Shuts its sending side down once the fd is there, and when it is told to, receives it or goes."""
    s = connected(path)
    select.select([s], [], [])
    s.shutdown(socket.SHUT_WR)
    say(shut=True)
    sys.stdin.readline()
    if then == "receives":
        data, fds, _, _ = socket.recv_fds(s, 16, 4)
        say(bytes=len(data), fds=[name_of(fd) for fd in fds])

def wait(path):
    """Connects, and says what it was sent before the end."""
    s = connected(path)
    data, fds, _, _ = socket.recv_fds(s, 16, 4)
    say(bytes=len(data), fds=len(fds))

def give(path, *what):
    """Listens, and sends one byte with the fds of each word to whoever connects."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.bind(address(path))
    s.listen(1)
    say(listening=True)
    c, _ = s.accept()
    for word in what:
        kind, count = word.split(":")
        fds = [open_fd(kind) for _ in range(int(count))]
        socket.send_fds(c, [b"x"], fds)
        for fd in fds:
            os.close(fd)
    if what == ():
        c.close()
    say(given=True)
    # Holds its end until it is told to go.
    sys.stdin.read()

def open_fd(kind):
    if kind == "pipe":
        r, w = os.pipe()
        os.close(w)
        return r
    fd = os.open("/dev/net/tun", os.O_RDWR)
    if kind == "free":
        return fd
    flags = {"tun": 0x1001, "tap": 0x1002}[kind]
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"given%d", flags))
    return fd

{"take": take, "half": half, "leave": leave, "stall": stall, "wait": wait, "give": give}[sys.argv[1]](*sys.argv[2:])

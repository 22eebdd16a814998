"""What the TUN driver can do, found out without any rule: prints TUNGETFEATURES
and every mask of the nine TUN_F_* bits that TUNSETOFFLOAD takes, as JSON."""

import fcntl
import json
import os
import struct

# include/uapi/linux/if_tun.h
TUNGETFEATURES = 0x800454CF
TUNSETIFF = 0x400454CA
TUNSETOFFLOAD = 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000

fd = os.open("/dev/net/tun", os.O_RDWR)
features = struct.unpack("I", fcntl.ioctl(fd, TUNGETFEATURES, b"\0\0\0\0"))[0]
fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"python%d", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))


def takes(mask):
    try:
        fcntl.ioctl(fd, TUNSETOFFLOAD, mask)
        return True
    except OSError:
        return False


print(json.dumps({"features": features, "offloads": [mask for mask in range(512) if takes(mask)]}))

// Numbers of pcapng: draft-ietf-opsawg-pcapng; the link types are of tcpdump.org/linktypes.html.

// Types of blocks.
export const SECTION_HEADER = 0x0a0d_0d0a;
export const INTERFACE_DESCRIPTION = 1;
/** The block that came before the enhanced packet block. The draft calls it obsolete: it must not be written. */
export const OLD_PACKET = 2;
export const SIMPLE_PACKET = 3;
export const INTERFACE_STATISTICS = 5;
export const ENHANCED_PACKET = 6;

/** First word of a section: a reader tells the byte order by it. */
export const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
/** Byte orders and resolutions of the format that came before. */
export const OLD_MAGICS: ReadonlySet<number> = new Set([0xa1b2_c3d4, 0xd4c3_b2a1, 0xa1b2_3c4d, 0x4d3c_b2a1]);

// Options of sections, interfaces, packets and statistics.
export const OPTION_END = 0;
export const SHB_USERAPPL = 4;
export const IF_NAME = 2;
export const IF_TSRESOL = 9;
export const IF_TSOFFSET = 14;
export const EPB_FLAGS = 2;
export const EPB_DROPCOUNT = 4;
export const ISB_STARTTIME = 2;
export const ISB_ENDTIME = 3;
export const ISB_IFRECV = 4;
export const ISB_IFDROP = 5;

/** if_tsresol: a negative power of ten. */
export const NANOSECONDS = 9;

/** Link types: the header that the frames of an interface begin with. */
export const LinkType = {
  /** Ethernet frames, as of a TAP. */
  ETHERNET: 1,
  /** IPv4 or IPv6, by the version in the first four bits. */
  RAW: 101,
} as const;

/** The two lowest bits of epb_flags. */
export const directionBits: Readonly<Record<CaptureDirection, number>> = { inbound: 1, outbound: 2 };

/**
 * A direction in a file, from the side of the host, as in `tcpdump -Q in` and Wireshark. Frames that a program receives
 * from its device are outbound, because the host sends them into its interface; datagrams that it receives from a
 * socket are inbound.
 */
export type CaptureDirection = "inbound" | "outbound";

/** Wireshark's own limit (WTAP_MAX_PACKET_SIZE_STANDARD). */
export const SNAP_LENGTH_MAX = 262_144;

/** Rounds a length up to a multiple of 4. It may be any number of 32 bits, as it may come from a file. */
export const padded = (length: number): number => length + (-length & 3);

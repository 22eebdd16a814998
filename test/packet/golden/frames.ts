/** The frames of a pcap file in this machine's byte order (pcap-savefile(5)): a 24-byte header, then 16 bytes before each. */
export function framesOf(pcap: Uint8Array): Uint8Array[] {
  const view = new DataView(pcap.buffer, pcap.byteOffset, pcap.byteLength);
  const frames: Uint8Array[] = [];
  for (let at = 24; at < pcap.length; ) {
    const length = view.getUint32(at + 8, true);
    frames.push(pcap.slice(at + 16, at + 16 + length));
    at += 16 + length;
  }
  return frames;
}

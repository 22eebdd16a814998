/** Counters of the host: packets, answers and defects. */
export class Counters {
  packetsReceived = 0;
  packetsSent = 0;
  pingsAnswered = 0;
  datagramsEchoed = 0;
  unreachablesSent = 0;
  connectionsOpened = 0;
  connectionsRefused = 0;
  /** Connections that were dropped for want of room, or of an answer to our SYN. */
  connectionsDropped = 0;
  connectionsReset = 0;
  requestsAnswered = 0;
  segmentsSentAgain = 0;
  /** Segments that were dropped, and asked for again: there is no reassembly. */
  segmentsOutOfOrder = 0;
  fragmentsDropped = 0;
  /** Packets that are malformed or have a wrong checksum. */
  packetsDamaged = 0;
  /** Packets for other addresses or of other protocols. */
  packetsIgnored = 0;

  /** Returns each counter as words and number. */
  lines(): [what: string, count: number][] {
    const inWords = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    return Object.entries(this).map(([name, count]) => [inWords(name), count]);
  }
}

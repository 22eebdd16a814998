/** What the host has seen and done. */
export class Counters {
  packetsReceived = 0;
  packetsSent = 0;
  pingsAnswered = 0;
  datagramsEchoed = 0;
  unreachablesSent = 0;
  connectionsOpened = 0;
  connectionsRefused = 0;
  /** For want of room, or of an answer to our SYN. */
  connectionsDropped = 0;
  connectionsReset = 0;
  requestsAnswered = 0;
  segmentsSentAgain = 0;
  /** Dropped, and asked for again: there is no reassembly. */
  segmentsOutOfOrder = 0;
  fragmentsDropped = 0;
  /** Malformed, or with a wrong checksum. */
  packetsDamaged = 0;
  /** For other addresses or of other protocols. */
  packetsIgnored = 0;

  /** Each in words, with its number. */
  lines(): [what: string, count: number][] {
    const inWords = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    return Object.entries(this).map(([name, count]) => [inWords(name), count]);
  }
}

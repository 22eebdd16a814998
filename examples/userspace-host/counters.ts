/** What the host has seen and done: its page shows it, line by line. */
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
}

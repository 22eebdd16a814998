/** Options of a parser: how strict it is. */
export interface ParseOptions {
  /**
   * Takes what was cut off at the end, as the packets that ICMP errors quote are: lengths may say more than
   * there is, and the payload ends where the bytes do. Default false.
   */
  truncated?: boolean;
}

/** The addresses of interfaces that are flooded: number `i` of up to 15. */

/** The kernel's own address on the interface. */
export function floodedAddress(i: number): string {
  return `192.0.2.${16 * i + 1}/28`;
}

/** The address behind the interface that is sent to. */
export function neighbourAddress(i: number): string {
  return `192.0.2.${16 * i + 2}`;
}

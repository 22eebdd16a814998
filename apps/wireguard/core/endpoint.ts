/** Endpoints as the core wants to see them, and as text. */
import { parseIPAddress } from "./ip.ts";

interface AddressAndPort {
  readonly address: string;
  readonly port: number;
}

/** Bytes that stand for the address and port: what a cookie is bound to. */
export function addressBytes({ address, port }: AddressAndPort): Uint8Array {
  return new TextEncoder().encode(`${address} ${port}`);
}

/** The address; of IPv6 its first 64 bits, as one host has all the others. */
export function hostText({ address }: AddressAndPort): string {
  const bytes = parseIPAddress(address);
  return bytes?.length === 16 ? bytes.subarray(0, 8).toHex() : address;
}

/** Tells whether a local address was named, and not left to the kernel. */
export function isSpecific(address: string): boolean {
  return address !== "" && address !== "::" && address !== "0.0.0.0";
}

/** Returns "192.0.2.1:51820" or "[2001:db8::1]:51820". */
export function endpointText({ address, port }: AddressAndPort): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The few facts about a device that `console.log` and `JSON.stringify` show. */

import { interfaceInfo } from "../interface/info.ts";
import type { Attachment } from "./attachment.ts";

/**
 * Returns what a person wants to know of a device. Looking changes nothing: it never throws, and a device whose
 * interface has gone is not closed by it.
 */
export function summaryOf(attachment: Attachment): Record<string, unknown> {
  const { kind, closed, reason, fd, offload } = attachment;
  if (closed) return { kind, name: attachment.name, closed, ...(reason && { reason: reason.message }) };
  return { kind, ...interfaceOf(attachment), fd, ...(offload && { offload: true }) };
}

function interfaceOf(attachment: Attachment): Record<string, unknown> {
  try {
    const { name, up, mtu, mac } = interfaceInfo(attachment.link.info()) ?? { name: attachment.name };
    const addresses = attachment.link.addresses.list().map(({ address }) => address);
    return { name, up, mtu, mac, addresses };
  } catch {
    // Gone, or in a namespace that this process cannot enter.
    return { name: attachment.name };
  }
}

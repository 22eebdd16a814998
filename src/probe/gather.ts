import { loadTimeMs, native } from "../sys/native.ts";
import { checksOf } from "./checks.ts";
import { attachable, inThrowaway, nothingTried, tryDevices } from "./device.ts";
import { isOpenable, probeNode } from "./node.ts";
import type { ProbedShim, ProbedWaker, ProbeFacts, ProbeReport } from "./report.ts";
import { networkManagers, probeBun, probeSystem } from "./system.ts";
import { trial, untried } from "./trial.ts";
import { probeUser } from "./user.ts";
import { probeWaker } from "./waker.ts";

/** See `probe` of ../probe.ts. */
export function report(): ProbeReport {
  const facts = gather();
  // A device needs both: an interface, and a way to be woken.
  return { ok: facts.tun.works === true && facts.waker.kind !== null, ...facts, checks: checksOf(facts) };
}

function gather(): ProbeFacts {
  const shim = probeShim();
  const compiled = shim.works === true;
  const around = { bun: probeBun(), system: probeSystem(), shim, networkManagers: networkManagers() };
  const node = probeNode();
  if (!compiled) {
    return { ...around, user: probeUser(false, untried), node, ...nothingTried, attachable: [], waker: unknownWaker };
  }
  return inThrowaway((netns, made) => {
    const user = probeUser(true, made);
    // Over another namespace this user may have rights that it has not here, where openTun() makes interfaces.
    const where = user.netAdmin.works === true ? netns : undefined;
    const devices = isOpenable(node) ? tryDevices(where) : nothingTried;
    return { ...around, user, node, ...devices, attachable: attachable(), waker: probeWaker() };
  });
}

const unknownWaker: ProbedWaker = { kind: null, chosen: false, failure: null };

function probeShim(): ProbedShim {
  const tried = trial(() => void native());
  return { ...tried, compileMs: Math.round((loadTimeMs() ?? 0) * 10) / 10 || null };
}

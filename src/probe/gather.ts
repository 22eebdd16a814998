import { loadTimeMs, native } from "../sys/native.ts";
import { checksOf } from "./checks.ts";
import { attachable, inThrowaway, nothingTried, tryDevices } from "./device.ts";
import { isOpenable, probeNode } from "./node.ts";
import type { ProbedShim, ProbedWaker, ProbeFacts, ProbeReport } from "./report.ts";
import { networkManagers, ownCommand, probeBun, probeSystem } from "./system.ts";
import { trial, untried } from "./trial.ts";
import { probeUser, tryRouteSocket } from "./user.ts";
import { probeWaker } from "./waker.ts";

/** Implements `probe` of ./index.ts. */
export function report(): ProbeReport {
  const facts = gather();
  return { ok: isEnough(facts), ...facts, checks: checksOf(facts) };
}

/** Returns whether a device can be opened: it needs an interface, rtnetlink to ask about it, and a way to be woken. */
function isEnough({ tun, rtnetlink, waker }: ProbeFacts): boolean {
  return tun.works === true && rtnetlink.works === true && waker.kind !== null;
}

function gather(): ProbeFacts {
  const shim = probeShim();
  const compiled = shim.works === true;
  const around = {
    command: ownCommand(),
    bun: probeBun(),
    system: probeSystem(),
    shim,
    networkManagers: networkManagers(),
  };
  const node = probeNode();
  if (!compiled) {
    const unknown = { attachable: [], waker: unknownWaker, rtnetlink: untried };
    return { ...around, user: probeUser(false, untried), node, ...nothingTried, ...unknown };
  }
  return inThrowaway((netns, made) => {
    const user = probeUser(true, made);
    // Asked here, where openTun() makes interfaces: in another namespace this user may have other rights.
    const where = user.netAdmin.works === true ? netns : undefined;
    const devices = isOpenable(node) ? tryDevices(where) : nothingTried;
    const rtnetlink = tryRouteSocket();
    return { ...around, user, node, ...devices, attachable: attachable(), waker: probeWaker(), rtnetlink };
  });
}

const unknownWaker: ProbedWaker = { kind: null, chosen: false, failure: null };

function probeShim(): ProbedShim {
  const tried = trial(() => void native());
  return { ...tried, compileMs: Math.round((loadTimeMs() ?? 0) * 10) / 10 || null };
}

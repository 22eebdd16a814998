import {
  AF_INET,
  AF_INET6,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
} from "../netlink/constants.ts";
import type { Message } from "../netlink/message.ts";
import {
  decodeRoute,
  parseRoute,
  routeAttributes,
  routeBody,
  routeDumpAttributes,
  routeDumpBody,
  routeRemovalBody,
  routeRestoreAttributes,
  routeRestoreBody,
} from "../netlink/route.ts";
import type { Route, RouteLike } from "../netlink/types.ts";
import { tryOrUndefined } from "../rollback.ts";
import type { InterfaceClient } from "./client.ts";

/** The routes through one interface. */
export class Routes {
  readonly #client: InterfaceClient;

  constructor(client: InterfaceClient) {
    this.#client = client;
  }

  add(like: RouteLike): void {
    const route = parseRoute(like);
    this.#client.request(
      "RTM_NEWROUTE",
      RTM_NEWROUTE,
      NLM_F_CREATE | NLM_F_EXCL,
      () => routeBody(route),
      (index) => routeAttributes(index, route),
      textOf(like),
    );
  }

  remove(like: RouteLike): void {
    const route = parseRoute(like);
    this.#client.request(
      "RTM_DELROUTE",
      RTM_DELROUTE,
      0,
      () => routeRemovalBody(route),
      (index) => routeAttributes(index, route),
      textOf(like),
    );
  }

  list(): Route[] {
    return this.dump().map(({ route }) => route);
  }

  /** Lists the routes with the messages that reported them, which can restore them unchanged. */
  dump(): { route: Route; message: Message }[] {
    const { index } = this.#client;
    return routesThrough(index, (body) =>
      this.#client.dump("RTM_GETROUTE", RTM_GETROUTE, () => body, routeDumpAttributes),
    );
  }

  /** Restores routes of an earlier {@link dump} that have gone, as far as the kernel takes them. */
  restoreMissing(before: readonly { route: Route; message: Message }[]): void {
    if (before.length === 0) return;
    // By their text, because to compare thousands of them with each other takes seconds.
    const left = new Set(this.list().map((route) => JSON.stringify(route)));
    for (const { route, message } of before) {
      if (!left.has(JSON.stringify(route))) tryOrUndefined(() => this.restore(message));
    }
  }

  restore({ body }: Message): void {
    this.#client.request(
      "RTM_NEWROUTE",
      RTM_NEWROUTE,
      NLM_F_CREATE | NLM_F_EXCL,
      () => routeRestoreBody(body),
      () => routeRestoreAttributes(body),
    );
  }
}

/** Returns the routes through the interface of that index, of IPv4 before IPv6, each with its message. */
export function routesThrough(
  index: number,
  dump: (body: Uint8Array) => readonly Message[],
): { route: Route; message: Message }[] {
  return [AF_INET, AF_INET6].flatMap((family) =>
    dump(routeDumpBody(family))
      .map((message) => ({ ...decodeRoute(message.body), message }))
      .filter(
        (found): found is { index: number; route: Route; message: Message } =>
          // Where there is no IPv6 the kernel answers with the routes of all families.
          found.index === index && found.message.body[0] === family,
      ),
  );
}

function textOf(like: RouteLike): string {
  return typeof like === "string" ? like : like.to;
}

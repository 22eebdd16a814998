/** The page of the switch, in a browser, over hubs that are made up: three of one LAN, one of which does not answer. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Port } from "../../apps/switch/learning-switch.ts";
import { type ClientSource, encodeStatus, type HubSource, HubWatch } from "../../apps/switch/status.ts";
import { answerWithoutToken, StatusAnswers } from "../../apps/switch/status-http.ts";
import { type OtherHubs, readStatusQuery } from "../../apps/switch/status-lan.ts";
import { NO_TOTALS } from "../../apps/switch/status-totals.ts";
import { gatekeeper } from "../../apps/switch/token.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";

const TOKEN = "a-token-of-twenty-characters";
const EVIL = `<img src=x onerror="document.title='broken into'"><script>document.title="x"</script>`;

/** A hub with clients that are made up. */
class FakeHub implements HubSource {
  readonly mtu = 1500;
  readonly clientsMax = 20_000;
  readonly table = { addressesOf: (port: Port): number[] => this.#macs.get(port) ?? [] };
  readonly list: ClientSource[] = [];
  readonly #macs = new Map<Port, number[]>();
  messages = 0;
  lost = 0;

  readonly hub: string;
  readonly #peers: readonly string[];

  constructor(hub: string, peers: readonly string[]) {
    this.hub = hub;
    this.#peers = peers;
  }

  add(id: string, number: number, macs: number = 1): Port {
    const port = new Port(() => true);
    const first = 0x02_00_5e_00_53_00 + number;
    this.#macs.set(
      port,
      Array.from({ length: macs }, (_, i) => first + i),
    );
    const address = `198.51.100.${number % 254}/24`;
    this.list.push({ id, from: "2001:db8::1:2:3", address, since: performance.now(), port, queuedBytes: 0 });
    return port;
  }

  departed() {
    return NO_TOTALS;
  }

  clients(): Iterable<ClientSource> {
    return this.list;
  }

  addresses() {
    return { given: this.list.length, size: 254, available: this.hub !== "hub-c" };
  }

  backbone() {
    return { connected: true, droppedFrames: 0, refusedMessages: 0, flaps: 0 };
  }

  links() {
    return this.#peers.map((from) => ({ from, messages: this.messages, lost: this.lost, reordered: 0 }));
  }

  details() {
    return {};
  }
}

/** The members of a hub that is made up, some of which are replaced. */
function sourceOf(hub: FakeHub): HubSource {
  return {
    hub: hub.hub,
    mtu: hub.mtu,
    clientsMax: hub.clientsMax,
    table: hub.table,
    departed: () => hub.departed(),
    clients: () => hub.clients(),
    addresses: () => hub.addresses(),
    backbone: () => hub.backbone(),
    links: () => hub.links(),
    details: () => hub.details(),
  };
}

describeWithTools("the page of the switch", ["chromium", "ip"], () => {
  const own = new FakeHub("hub-a", ["hub-b", "hub-c"]);
  const other = new FakeHub("hub-b", ["hub-a", "hub-c"]);
  const watch = new HubWatch(other, () => performance.now());
  const others: OtherHubs = {
    lan: "office",
    names: () => ["hub-b", "hub-c"],
    ask: async (query) =>
      new Map([["hub-b", encodeStatus(watch.status(readStatusQuery(query) ?? { clients: 0, find: "" }))]]),
  };
  const answers = new StatusAnswers(own, others, () => performance.now());
  const knowsToken = gatekeeper(TOKEN);
  const asked: string[] = [];
  let fail = false;
  let server: Bun.Server<undefined>;
  let view: Bun.WebView;

  const eventually = async (condition: string): Promise<void> => {
    const deadline = performance.now() + 30_000;
    while (!(await view.evaluate<boolean>(`(() => { try { return ${condition}; } catch { return false; } })()`))) {
      if (performance.now() > deadline)
        throw new Error(
          `Not in the page: ${condition}; ${await view.evaluate("document.body.innerText.slice(0, 600)")}`,
        );
      await Bun.sleep(20);
    }
  };
  const text = (selector: string): string => `document.querySelector("${selector}").innerText`;

  beforeAll(async () => {
    run("ip", "link", "set", "lo", "up");
    for (let i = 1; i <= 6; i++) own.add(`client${i}`, i);
    own.add(EVIL, 7);
    const router = other.add("router", 100, 12);
    for (let i = 0; i < 10_000; i++) other.add(`many${i}`, 1000 + i * 16);
    own.messages = other.messages = 1000;
    answers.sample();
    watch.sample();
    Object.assign(router, { bytesIn: 1_000_000, framesIn: 1000 });
    server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      development: false,
      fetch(request) {
        asked.push(request.url);
        const page = answerWithoutToken(request);
        if (page !== undefined) return page;
        if (fail) return new Response("No", { status: 500 });
        if (!knowsToken(request)) return new Response("No", { status: 401 });
        return answers.answer(new URL(request.url)) ?? new Response("None", { status: 404 });
      },
    });
    view = new Bun.WebView({
      width: 1280,
      height: 1000,
      backend: { type: "chrome", url: false, path: Bun.which("chromium") as string, argv: ["--no-sandbox"] },
    });
    await view.navigate(`http://127.0.0.1:${server.port}/`);
  }, 120_000);

  afterAll(async () => {
    view.close();
    Bun.WebView.closeAll();
    answers[Symbol.dispose]();
    await server.stop(true);
  });

  const enter = async (token: string): Promise<void> => {
    await view.evaluate(`document.getElementById("token").focus()`);
    await view.type(token);
    await view.click("#form button");
  };

  test("asks for the token, says when it is the wrong one, and shows nothing", async () => {
    await view.evaluate(`document.getElementById("forget").click()`);
    await eventually(`document.activeElement.id === "token"`);
    await enter("another-token-of-twenty");
    await eventually(`${text("#token-wrong")} === "That is not the token of this LAN."`);
    expect(await view.evaluate<boolean>(`[...document.querySelectorAll(".shown")].every((part) => part.hidden)`)).toBe(
      true,
    );
    await enter(TOKEN);
    await eventually(`${text("#name")} === "LAN office" && document.getElementById("dot").className === "dot live"`);
    await view.navigate(`http://127.0.0.1:${server.port}/page`);
    await eventually(`${text("#name")} === "LAN office"`);
  });

  const open = async (): Promise<void> => {
    if (await view.evaluate<boolean>(`sessionStorage.getItem("switch-token") === null`)) await enter(TOKEN);
    await eventually(`${text("#name")} === "LAN office"`);
  };
  const find = async (words: string): Promise<void> => {
    await view.evaluate(
      `(() => { const f = document.getElementById("find"); f.value = ${JSON.stringify(words)}; f.dispatchEvent(new Event("input")); })()`,
    );
  };

  test("keeps the token out of every address, and forgets it when it is told to", async () => {
    await open();
    expect(asked.filter((url) => url.includes(TOKEN))).toEqual([]);
    expect(await view.evaluate<string>("location.href + document.cookie + JSON.stringify(localStorage)")).not.toContain(
      TOKEN,
    );
    await view.click("#forget");
    await eventually(`!document.getElementById("asking").hidden`);
    expect(await view.evaluate<number>("sessionStorage.length")).toBe(0);
    await open();
  });

  test("shows all hubs, also the one that does not answer, and the loss of each pair", async () => {
    await open();
    await eventually(`document.querySelectorAll("#hubs tbody tr").length === 3`);
    expect(await view.evaluate(text("#hubs tbody tr:nth-child(3)"))).toMatch(/hub-c\s+does not answer/);
    expect(await view.evaluate(text("#hub-note"))).toBe("1 without an answer");
    Object.assign(own, { messages: own.messages + 950, lost: own.lost + 50 });
    await eventually(`${text("#loss tbody tr:nth-child(2) td:nth-child(2)")}.endsWith("50 of 2,000")`);
    expect(await view.evaluate(text("#loss tbody tr:nth-child(1) td:nth-child(3)"))).toEndWith("0 of 1,000");
  });

  test("with 10,000 clients it shows the first hundred of all hubs, and finds each of them", async () => {
    await open();
    await find("");
    await eventually(`${text("#clients-note")} === "10,008 in all, 100 shown"`);
    expect(await view.evaluate<number>(`document.querySelectorAll("#clients tbody tr").length`)).toBe(100);
    await find("MANY9999");
    await eventually(`${text("#clients-note")} === "1 of 10,008 match"`);
    // The router's last MAC address, of twelve.
    await find("02:00:5e:00:53:6f");
    await eventually(
      `/^router/.test(${text("#clients tbody tr")}) && ${text("#clients tbody tr")}.includes("02:00:5e:00:53:6f")`,
    );
    expect(await view.evaluate(text("#clients tbody tr"))).toContain("and 4 more");
    await find("nobody");
    await eventually(`${text("#empty")} === "No client of a hub that answers matches."`);
    await find("");
  });

  test("what a client calls itself is text, and the page runs no script but its own", async () => {
    await open();
    await find("onerror");
    await eventually(`${text("#clients tbody th")}.startsWith("<img src=x onerror=")`);
    expect(await view.evaluate<number>(`document.querySelectorAll("#clients img, #clients script").length`)).toBe(0);
    // Were it ever inserted as markup, the policy would still hold it back.
    await view.evaluate(
      `new Promise((resolve) => { document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective), { once: true }); document.querySelector("#empty").innerHTML = "<b onclick='document.title = 1'>x</b>"; document.querySelector("#empty b").click(); })`,
    );
    expect(await view.evaluate("document.title")).toBe("LAN office – bun-tuntap");
    await find("");
  });

  test("is dark where the system is, and its words have a contrast of 4.5 in both", async () => {
    await open();
    const grounds: string[] = [];
    for (const value of ["light", "dark"]) {
      await view.cdp("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });
      await eventually(`document.documentElement.dataset.theme === "${value}"`);
      const colours = await view.evaluate<
        string[][]
      >(`["#facts", "#hub-note", "#hubs thead th", "#hubs .good", "#hubs .bad", "#in", "#clients tbody td", "button"].map((selector) => {
        const element = document.querySelector(selector);
        const under = element.closest(".card, button") ?? document.body;
        return [getComputedStyle(element).color, getComputedStyle(under).backgroundColor];
      })`);
      for (const pair of colours) expect(contrast(pair)).toBeGreaterThanOrEqual(4.5);
      grounds.push(await view.evaluate("getComputedStyle(document.body).backgroundColor"));
    }
    expect(grounds[0]).not.toBe(grounds[1] as string);
  });

  test("fits on a phone, where each cell says what it is, and its tables stay tables to a screen reader", async () => {
    await open();
    await view.resize(390, 844);
    await eventually("innerWidth === 390");
    await eventually(`document.querySelectorAll("#clients tbody tr").length > 0`);
    expect(await view.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
    const label = `getComputedStyle(document.querySelector("#clients td:nth-child(3)"), "::before").content`;
    expect(await view.evaluate(label)).toBe(`"Address"`);
    await view.cdp("Accessibility.enable");
    const { nodes } = (await view.cdp("Accessibility.getFullAXTree")) as { nodes: { role?: { value: string } }[] };
    const roles = nodes.map(({ role }) => role?.value);
    for (const role of ["table", "row", "cell", "columnheader", "rowheader"]) expect(roles).toContain(role);
    await view.resize(1280, 1000);
    await eventually("innerWidth === 1280");
  });

  test("of one hub without a backbone is the same page with one hub, and no loss between hubs", async () => {
    await open();
    const single = new FakeHub("alone", []);
    single.add("client", 1);
    using own = new StatusAnswers({ ...sourceOf(single), backbone: () => undefined }, undefined);
    await using other = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      development: false,
      fetch: (request) =>
        answerWithoutToken(request) ?? own.answer(new URL(request.url)) ?? new Response("None", { status: 404 }),
    });
    try {
      await view.navigate(`http://127.0.0.1:${other.port}/`);
      await eventually(`document.activeElement.id === "token"`);
      await enter(TOKEN);
      await eventually(`${text("#name")} === "Switch alone" && ${text("#facts")} === "one hub, without a backbone"`);
      await eventually(`document.querySelectorAll("#hubs tbody tr, #clients tbody tr").length === 2`);
      expect(await view.evaluate("document.getElementById('loss-card').hidden")).toBe(true);
      expect(await view.evaluate(text("#hubs tbody td"))).toBe("none");
    } finally {
      await view.navigate(`http://127.0.0.1:${server.port}/`);
    }
  });

  test("says that the hub does not answer, and goes on by itself", async () => {
    await open();
    fail = true;
    await eventually(
      `document.getElementById("dot").className === "dot lost" && ${text("#facts")} === "the hub answers 500: trying again"`,
    );
    fail = false;
    await eventually(`document.getElementById("dot").className === "dot live"`);
  });
});

/** Contrast of two colours "rgb(1, 2, 3)" (WCAG 2.2). */
function contrast(colours: readonly string[]): number {
  const [bright = 0, dark = 0] = colours.map(luminance).sort((a, b) => b - a);
  return (bright + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/\d+/g) ?? []).map((text) => {
    const part = Number(text) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

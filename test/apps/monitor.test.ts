/** The page, in a browser, over real traffic: this namespace ── left0 ── the example ── right0 ── another namespace. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { otherNamespace } from "../device/support.ts";
import { withKernelsIPv6 } from "../interface/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { answersIn, interfaceNames, newInterfaces, run, until } from "../support/system.ts";

const example = `${import.meta.dir}/../../apps/monitor/index.ts`;
const tools = ["chromium", "ip", "ping", "curl", "capinfos", "tshark", "iperf3"];

/** Polls the page: it changes when the program tells it to. */
async function eventually(view: Bun.WebView, condition: string, timeoutMs = 25_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await view.evaluate<boolean>(condition))) {
    if (performance.now() > deadline) throw new Error(`Not within ${timeoutMs} ms in the page: ${condition}`);
    await Bun.sleep(20);
  }
}

const text = (id: string): string => `document.getElementById("${id}").textContent`;
const lines = `[...document.querySelectorAll("#list li")].map((li) => li.title)`;
const packets = `Number(${text("packets")}.replace(/\\D/g, ""))`;
const background = "getComputedStyle(document.body).backgroundColor";

describeWithTools("the example that shows a device", tools, () => {
  let other: Awaited<ReturnType<typeof otherNamespace>>;
  let monitor: Bun.Subprocess<"ignore", "pipe", "inherit">;
  let url: string;
  let view: Bun.WebView;
  const downloads = mkdtempSync("/tmp/bun-tuntap-monitor-");
  const before = interfaceNames();
  withKernelsIPv6();

  beforeAll(async () => {
    run("ip", "link", "set", "lo", "up");
    other = await otherNamespace();
    const options = ["--listen", "127.0.0.1:0", "--relay", `/proc/${other.pid}/ns/net`];
    monitor = Bun.spawn([process.execPath, example, ...options], { stdout: "pipe", stderr: "inherit" });
    const { value } = await monitor.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
    url = /http:\S+/.exec(value ?? "")?.[0] as string;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    view = new Bun.WebView({
      width: 1280,
      height: 1000,
      // It is root here, for whom Chromium has no sandbox.
      backend: { type: "chrome", url: false, path: Bun.which("chromium") as string, argv: ["--no-sandbox"] },
    });
    await view.navigate(url);
    await eventually(view, `document.getElementById("dot").className === "dot live" && ${text("name")} === "left0"`);
  }, 120_000);

  afterAll(async () => {
    view.close();
    Bun.WebView.closeAll();
    monitor.kill("SIGINT");
    expect(await monitor.exited).toBe(0);
    other[Symbol.dispose]();
    rmSync(downloads, { recursive: true });
    expect(newInterfaces(before)).toEqual([]);
  });

  // Tests run in any order, and after a flood only some packets are looked at for as long as a tick.
  beforeEach(async () => {
    // A click waits for its element to come into view, and does not scroll there.
    await view.evaluate("scrollTo(0, 0)");
    await eventually(view, `/^(no packets|all )/.test(${text("shown")})`);
  });

  const ping = (count: number): string => run("ping", "-n", "-c", `${count}`, "-i", "0.01", "-w", "30", "198.51.100.1");

  /** Touches the middle of an element, as a finger does. */
  const tap = async (selector: string): Promise<void> => {
    const place = `(() => { const e = document.querySelector("${selector}"); e.scrollIntoView({ block: "center" }); const { x, y, width, height } = e.getBoundingClientRect(); return { x: x + width / 2, y: y + height / 2 }; })()`;
    const { x, y } = await view.evaluate<{ x: number; y: number }>(place);
    await view.cdp("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x, y }] });
    await view.cdp("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  };

  test("shows what it is, and that the numbers move", async () => {
    expect(await view.evaluate(text("facts"))).toContain(
      "TUN (IP packets) · packets of up to 1500 bytes (MTU) · up · 192.0.2.1/24",
    );
    expect(answersIn(ping(20))).toBeGreaterThanOrEqual(20);
    await eventually(view, `${lines}.length >= 40`);
    const shown = await view.evaluate<string[]>(lines);
    expect(shown.some((line) => /192\.0\.2\.1 > 198\.51\.100\.1: ICMP echo request/.test(line))).toBe(true);
    expect(shown.some((line) => /198\.51\.100\.1 > 192\.0\.2\.1: ICMP echo reply/.test(line))).toBe(true);
    await eventually(view, `${packets} >= 40 && ${text("protocols")}.includes("ICMP")`);
    await eventually(view, `${text("talkers")}.includes("192.0.2.1") && ${text("talkers")}.includes("198.51.100.1")`);
    await eventually(view, `document.querySelectorAll("#chart polyline").length === 2`);
    // Rates of three digits and a fraction are the longest.
    const longest = `history = { minute: [[1, 0, 1.875e7, 0]], start: [] }; chart();`;
    const cut = `[...document.querySelectorAll("#chart text")].filter((text) => text.getBBox().x < 0).length`;
    expect(await view.evaluate<number>(`(() => { ${longest} return ${cut}; })()`)).toBe(0);
  });

  test("pause keeps the packets that are shown, while the numbers go on; then it goes on", async () => {
    await view.click("#pause");
    const [shown, total] = [await view.evaluate(lines), await view.evaluate<number>(packets)];
    expect(answersIn(ping(5))).toBeGreaterThanOrEqual(5);
    await eventually(view, `${packets} >= ${total + 10}`);
    expect(await view.evaluate(lines)).toEqual(shown);
    await view.click("#pause");
    expect(answersIn(ping(5))).toBeGreaterThanOrEqual(5);
    await eventually(view, `JSON.stringify(${lines}) !== ${JSON.stringify(JSON.stringify(shown))}`);
  });

  test("the filter leaves the lines with all of its words", async () => {
    expect(answersIn(ping(3))).toBeGreaterThanOrEqual(3);
    await view.click("#filter");
    await view.type("echo REPLY 198.51");
    await eventually(view, `${lines}.length > 0 && ${lines}.every((line) => line.includes("echo reply"))`);
    await view.type(" nothing like it");
    await eventually(view, `${lines}.length === 0 && ${text("empty")}.includes("matches the filter")`);
    await view.evaluate(
      `(() => { const f = document.getElementById("filter"); f.value = ""; f.dispatchEvent(new Event("input")); })()`,
    );
    await eventually(view, `${lines}.length > 0`);
  });

  test("the filter is the program's: it finds what the sample of a flood leaves out, and says of how many", async () => {
    const set = (value: string): string =>
      `(() => { const f = document.getElementById("filter"); f.value = "${value}"; f.dispatchEvent(new Event("input")); })()`;
    // An identifier with 77 in it would make every request match.
    const flood = (count: number): string =>
      run("ping", "-n", "-q", "-e", "1", "-f", "-c", `${count}`, "-w", "30", "198.51.100.1");
    await view.evaluate(set("ICMP request 77"));
    // The program has the filter when it says of packets that they do not match.
    const isKnown = `/looked at, 0 match/.test(${text("shown")})`;
    for (let attempts = 500; attempts > 0 && !(await view.evaluate<boolean>(isKnown)); attempts--) flood(1);
    const many = flood(2000);
    expect(answersIn(many)).toBeGreaterThanOrEqual(1900);
    await eventually(view, `${lines}.some((line) => /seq 77\\b/.test(line))`);
    await eventually(view, `/^last [\\d.]+ s: .* of [\\d,]+ packets? looked at, [\\d,]+ match/.test(${text("shown")})`);
    await view.evaluate(set(""));
    await eventually(view, `${lines}.length > 0`);
  });

  test("the history goes back to the program's start", async () => {
    await view.click("#range");
    expect(await view.evaluate(text("points"))).toStartWith("since the program’s start, averages of ");
    expect(await view.evaluate("document.querySelectorAll('#chart polyline').length")).toBe(2);
    await view.click("#range");
    // A timer that is late makes a second longer, and the page says so.
    expect(await view.evaluate(text("points"))).toMatch(/^the last minute, averages of [\d.]+ s$/);
  });

  test("the download is a capture that Wireshark's tools read", async () => {
    await view.cdp("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: downloads });
    expect(answersIn(ping(3))).toBeGreaterThanOrEqual(3);
    await view.click("#download");
    await until(() => readdirSync(downloads).includes("left0.pcapng"), "the download");
    const file = `${downloads}/left0.pcapng`;
    expect(run("capinfos", "-E", file)).toContain("Raw IP");
    const types = run("tshark", "-r", file, "-Y", "icmp && !_ws.malformed", "-T", "fields", "-e", "icmp.type")
      .trim()
      .split("\n");
    expect(types.length).toBeGreaterThanOrEqual(6);
  });

  test("is dark where the system is, and light where one wants it", async () => {
    const dark = { features: [{ name: "prefers-color-scheme", value: "dark" }] };
    await view.cdp("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: "light" }] });
    const light = await view.evaluate(background);
    await view.cdp("Emulation.setEmulatedMedia", dark);
    await eventually(view, `${background} !== ${JSON.stringify(light)}`);
    await view.click("#theme");
    await eventually(view, `${background} === ${JSON.stringify(light)}`);
  });

  test("fits on a phone", async () => {
    await view.resize(390, 844);
    await eventually(view, "innerWidth === 390");
    expect(await view.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
    expect(answersIn(ping(3))).toBeGreaterThanOrEqual(3);
    await eventually(view, `${lines}.length > 0`);
    await eventually(view, `document.querySelectorAll("#talkers td").length > 0`);
    const cutSenders = `[...document.querySelectorAll("#talkers td")].filter((td) => td.scrollWidth > td.clientWidth).length`;
    expect(await view.evaluate(cutSenders)).toBe(0);
    const isCut = `(() => { const { scrollWidth, clientWidth } = document.querySelector("#list li span:last-child"); return scrollWidth > clientWidth; })()`;
    expect(await view.evaluate(isCut)).toBe(true);
    await tap("#list li");
    await eventually(view, `document.querySelector("#list li").getAttribute("aria-expanded") === "true"`);
    // It is there as a whole, says when and in which direction, and stays where it is.
    expect(await view.evaluate(isCut)).toBe(false);
    expect(await view.evaluate<string>(`document.querySelector("#list li").innerText`)).toMatch(
      /ICMP, (received|sent) by the program, 84 bytes/,
    );
    expect(await view.evaluate(text("pause"))).toBe("Resume");
    expect(await view.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
    await tap("#list li");
    expect(await view.evaluate(`document.querySelector("#list li").getAttribute("aria-expanded")`)).toBe("false");
    await view.evaluate(`document.getElementById("pause").click()`);
    await view.resize(1280, 1000);
  });

  test("goes on under a flood: the relay as well, and the page says that it shows a part", async () => {
    const server = Bun.spawn(["nsenter", "--target", `${other.pid}`, "--net", "iperf3", "-s", "-1", "--forceflush"], {
      stdout: "pipe",
    });
    await server.stdout.getReader().read();
    const flood = Bun.spawn(["iperf3", "-c", "198.51.100.1", "-u", "-b", "0", "-l", "64", "-t", "3"], {
      stdout: "ignore",
    });
    await eventually(view, `/^[\\d.]+ % of the packets/.test(${text("shown")})`);
    expect(await flood.exited).toBe(0);
    await server.exited;
    expect(answersIn(ping(3))).toBeGreaterThanOrEqual(3);
  }, 120_000);

  test("loses packets while the other end is down, and then goes on", () => {
    const there = (...command: string[]): string => run("nsenter", "--target", `${other.pid}`, "--net", ...command);
    there("ip", "link", "set", "right0", "down");
    const { exitCode } = Bun.spawnSync(["ping", "-n", "-q", "-c", "2", "-i", "0.01", "-W", "0.2", "198.51.100.1"]);
    expect(exitCode).toBe(1);
    there("ip", "link", "set", "right0", "up");
    there("ip", "route", "replace", "192.0.2.1", "dev", "right0");
    expect(answersIn(ping(3))).toBeGreaterThanOrEqual(3);
  });

  test("answers only to its own names, and no other page", async () => {
    const { port } = new URL(url);
    const status = (...args: string[]): string => run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", ...args);
    expect(status(url)).toBe("200");
    expect(status("-H", `Host: evil.example:${port}`, url)).toBe("421");
    expect(status("-X", "POST", url)).toBe("405");
    const upgrade = [
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    // A page in a sandbox, or out of a file, has the origin "null".
    for (const origin of ["http://evil.example", "null"]) {
      const headers = [...upgrade, `Origin: ${origin}`].flatMap((header) => ["-H", header]);
      expect(status("--http1.1", ...headers, `${url}updates`)).toBe("403");
    }
    // None at all, as HTTP/1.0 allows.
    expect(status("--http1.0", "-H", "Host:", url)).toBe("421");
    expect(run("ss", "-Htln", `sport = :${port}`)).toContain(`127.0.0.1:${port}`);
  });

  test("refuses more browsers than it can serve, and ends the connection of one that sends too much", async () => {
    const sockets = Array.from({ length: 40 }, () => new WebSocket(`${url.replace("http", "ws")}updates`));
    const opened = await Promise.all(
      sockets.map(
        (socket) =>
          new Promise<boolean>((resolve) => {
            socket.onopen = () => resolve(true);
            socket.onclose = () => resolve(false);
          }),
      ),
    );
    // The page has a place already.
    expect(opened.filter(Boolean)).toHaveLength(31);
    const first = sockets[opened.indexOf(true)] as WebSocket;
    const ended = new Promise((resolve) => {
      first.onclose = resolve;
    });
    first.send("x".repeat(2000));
    await ended;
    for (const socket of sockets) socket.close();
    expect(await view.evaluate<string>("document.getElementById('dot').className")).toBe("dot live");
  });

  test("what it says to try without a relay works as it stands", async () => {
    const alone = Bun.spawn([process.execPath, example, "--listen", "127.0.0.1:0"], { stdout: "pipe" });
    const { value } = await alone.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
    const commands = [...(value ?? "").matchAll(/^ {2}((ping|curl) .*)$/gm)].map(([, command = ""]) => command);
    expect(commands.length).toBeGreaterThan(2);
    for (const command of commands)
      run("sh", "-c", command.replace(/^ping/, "ping -c 1").replace(/^curl/, "curl -sSf"));
    alone.kill("SIGINT");
    expect(await alone.exited).toBe(0);
  });

  test("an interface that somebody deletes ends it, with the reason", async () => {
    const options = { stdout: "pipe", stderr: "pipe" } as const;
    const alone = Bun.spawn([process.execPath, example, "--listen", "127.0.0.1:0"], options);
    const { value } = await alone.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
    run("ip", "link", "delete", /Behind (\S+) there is a host/.exec(value ?? "")?.[1] as string);
    expect(await alone.exited).toBe(1);
    expect(await alone.stderr.text()).toMatch(/^EBADFD: [^\n]*the interface was deleted[^\n]*\n$/);
  });

  test.each(["--left 192.0.2.1/24", "--right 198.51.100.1/24", "--offload"])(
    "%s is refused without a relay",
    (option) => {
      const { exitCode, stderr } = Bun.spawnSync([process.execPath, example, ...option.split(" ")], {
        timeout: 10_000,
      });
      expect([exitCode, stderr.toString()]).toEqual([2, expect.stringContaining("is for a relay: it needs --relay")]);
    },
  );

  test("a name to listen at that there is not is said in a line", () => {
    const listen = ["--listen", "no-such-name.invalid:0"];
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, example, ...listen]);
    expect({ exitCode, stderr: stderr.toString() }).toEqual({
      exitCode: 1,
      stderr: expect.stringMatching(/^--listen no-such-name\.invalid:0 cannot be used: .*\n$/),
    });
  });

  test("a second one on the same port says so", () => {
    const { host } = new URL(url);
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, example, "--listen", host]);
    expect({ exitCode, stderr: stderr.toString() }).toEqual({
      exitCode: 1,
      stderr: expect.stringContaining(`--listen ${host} is in use`),
    });
    expect(newInterfaces(before)).toEqual(["left0"]);
  });
});

/**
 * A TCP connection that is watched: `serve ADDRESS PORT` echoes; `ask ADDRESS PORT` sends a numbered line each 20 ms, and
 * prints after each ten that came back how many there are.
 */
export {};

const PAUSE_MS = 20;
const args: readonly string[] = process.argv.slice(2);
const mode: string | undefined = args[0];
const hostname: string = args[1] ?? "";
const port: string = args[2] ?? "";

if (mode === "serve") {
  Bun.listen({ hostname, port: Number(port), socket: { data: (socket, bytes) => void socket.write(bytes) } });
  console.log("ready");
} else {
  let sent = 0;
  let answers = 0;
  let rest = "";
  const end = (why: string): never => {
    console.error(why);
    process.exit(1);
  };
  const take = (line: string): void => {
    if (Number(line) !== answers++) end(`${line} came, not ${answers - 1}`);
    if (answers % 10 === 0) console.log(answers);
  };
  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, bytes) {
        const lines = (rest + bytes.toString()).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) take(line);
      },
      close: () => end("closed"),
      error: (_, { message }) => end(message),
    },
  });
  setInterval(() => socket.write(`${sent++}\n`), PAUSE_MS);
}

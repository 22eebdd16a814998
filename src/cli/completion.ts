import { type Command, type Commands, type Completion, defineCommand, type Options, type Work } from "./command.ts";

/** A subcommand, as the scripts need it. */
interface Described {
  readonly name: string;
  readonly summary: string;
  readonly command: Command;
}

const scripts: Readonly<Record<string, (all: readonly Described[]) => string>> = { bash, zsh, fish };

/** Prints a completion script. */
export const completion: Command = defineCommand({
  operands: "SHELL",
  about: `Prints a completion script for bash, zsh or fish.
bash: add \`source <(bun-tuntap completion bash)\` to ~/.bashrc.
zsh: add \`source <(bun-tuntap completion zsh)\` to ~/.zshrc, behind compinit.
fish: \`bun-tuntap completion fish > ~/.config/fish/completions/bun-tuntap.fish\``,
  options: {},
  count: [1, 1],
  completes: Object.keys(scripts),
  prepare(_, [shell = ""]): Work {
    const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
    if (script === undefined) {
      throw new RangeError(`SHELL must be one of ${Object.keys(scripts).join(", ")}, got "${shell}"`);
    }
    return async ({ output, commands }) => void output.line(script(await describeAll(commands)));
  },
});

async function describeAll(commands: Commands): Promise<Described[]> {
  return Promise.all(
    Object.entries(commands).map(async ([name, { summary, load }]) => ({ name, summary, command: await load() })),
  );
}

/** Lists TUN and TAP interfaces without starting Bun at each press of a key: these alone have this file. */
const INTERFACES = `for f in /sys/class/net/*/tun_flags; do [ -e "$f" ] && basename "\${f%/tun_flags}"; done`;

function flagsOf(options: Options): string[] {
  return [
    ...Object.entries(options).flatMap(([name, { short }]) => [
      `--${name}`,
      ...(short === undefined ? [] : [`-${short}`]),
    ]),
    "--help",
  ];
}

/** Options with a value, as alternatives of a `case`. */
function withValue(options: Options): { readonly names: string; readonly completes: Completion | undefined }[] {
  return Object.entries(options)
    .filter(([, { type }]) => type === "string")
    .map(([name, { short, completes }]) => ({
      names: `--${name}${short === undefined ? "" : `|-${short}`}`,
      completes,
    }));
}

function bash(all: readonly Described[]): string {
  const names = all.map(({ name }) => name).join(" ");
  const cases = all.map(({ name, command: { options, completes } }) => {
    const values = withValue(options).map(
      ({ names, completes }) => `        ${names}) ${bashReply(completes)}; return ;;`,
    );
    return `    ${name})
      case "$previous" in
${values.join("\n")}
      esac
      case "$word" in
        -*) COMPREPLY=($(compgen -W "${flagsOf(options).join(" ")}" -- "$word")) ;;
        *) ${bashReply(completes)} ;;
      esac ;;`.replace('      case "$previous" in\n\n      esac\n', "");
  });
  return `# bash completion for bun-tuntap
_bun_tuntap() {
  local word="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${names} --help --version" -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
}
complete -F _bun_tuntap bun-tuntap`;
}

function bashReply(completes: Completion | undefined): string {
  if (completes === undefined) return ":";
  if (completes === "files") return 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$word"))';
  const words = completes === "interfaces" ? `$(${INTERFACES})` : completes.join(" ");
  return `COMPREPLY=($(compgen -W "${words}" -- "$word"))`;
}

function zsh(all: readonly Described[]): string {
  const names = all.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`).join("\n");
  const cases = all.map(({ name, command: { options, completes } }) => {
    const specs = [
      ...Object.entries(options).flatMap(([option, { type, short, about, multiple, completes, value = "" }]) => {
        const argument = type === "string" ? `:${value}:${zshAction(completes)}` : "";
        const again = multiple ? "*" : "";
        const explained = `[${about.replace(/[[\]\\]/g, "\\$&")}]`;
        return [`--${option}`, ...(short === undefined ? [] : [`-${short}`])].map((flag) =>
          quoted(`${again}${flag}${explained}${argument}`),
        );
      }),
      quoted("--help[print the help]"),
      ...(completes === undefined ? [] : [quoted(`*:operand:${zshAction(completes)}`)]),
    ];
    return `    ${name}) _arguments ${specs.join(" ")} ;;`;
  });
  return `#compdef bun-tuntap
# zsh completion for bun-tuntap
_bun_tuntap_interfaces() {
  local -a found
  found=(\${(f)"$(sh -c ${quoted(INTERFACES)})"})
  compadd -a found
}
_bun_tuntap() {
  local -a names
  names=(
${names}
  )
  if (( CURRENT == 2 )); then
    _describe command names
    return
  fi
  local name="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$name" in
${cases.join("\n")}
  esac
}
compdef _bun_tuntap bun-tuntap`;
}

function zshAction(completes: Completion | undefined): string {
  if (completes === undefined) return " ";
  if (completes === "files") return "_files";
  return completes === "interfaces" ? "_bun_tuntap_interfaces" : `(${completes.join(" ")})`;
}

function fish(all: readonly Described[]): string {
  const lines = all.flatMap(({ name, summary, command: { options, completes } }) => {
    const here = `complete -c bun-tuntap -n ${quoted(`__fish_seen_subcommand_from ${name}`)}`;
    const flags = Object.entries(options).map(([option, { type, short, about, completes }]) => {
      const letter = short === undefined ? "" : ` -s ${short}`;
      const value = type === "string" ? ` -r${fishWords(completes)}` : "";
      return `${here} -l ${option}${letter}${value} -d ${quoted(about)}`;
    });
    return [
      `complete -c bun-tuntap -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`,
      ...flags,
      `${here} -l help -d 'print the help'`,
      ...(completes === undefined ? [] : [`${here}${fishWords(completes)}`]),
    ];
  });
  return ["# fish completion for bun-tuntap", "complete -c bun-tuntap -f", ...lines].join("\n");
}

function fishWords(completes: Completion | undefined): string {
  if (completes === undefined) return "";
  if (completes === "files") return " -F";
  const words = completes === "interfaces" ? `(sh -c ${quoted(INTERFACES)})` : completes.join(" ");
  return ` -a ${quoted(words)}`;
}

/** Text as one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

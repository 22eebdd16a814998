/** native/wait.c with answers of the kernel that this test makes up. */
import { expect, test } from "bun:test";
import { describeUnless } from "../support/privilege.ts";
import { source as shim } from "../support/shim.ts";
import { headersMissing, printed } from "./headers.ts";

const EINTR = 4;
const EAGAIN = 11;

/** Arms twice; io_getevents and io_submit answer as told, one after the other. Returns the results and the calls. */
function arming(getevents: readonly number[], submit: readonly number[]): { results: number[]; calls: string } {
  const list = (numbers: readonly number[]): string => `{ ${[...numbers, 0].join()} }`;
  const output = printed(`${shim}
    extern int printf(const char *, ...);
    static int got[] = ${list(getevents)}, submitted[] = ${list(submit)}, gets, submits, error;
    static char calls[64], *call = calls;
    static int *error_at(void) { return &error; }
    static long answer(long number, ...)
    {
      int is_get = number == NR_io_getevents, r = is_get ? got[gets++] : submitted[submits++];
      *call++ = is_get ? 'g' : 's';
      if (r >= 0) return r;
      error = -r;
      return -1;
    }
    int main(void)
    {
      errno_location = error_at;
      sys_syscall = answer;
      printf("%d ", aio_arm(3, 4));
      printf("%d %s", aio_arm(3, 4), calls);
      return 0;
    }`);
  const [first, second, calls = ""] = output.split(" ");
  return { results: [Number(first), Number(second)], calls };
}

describeUnless(headersMissing(), "aio_arm()", () => {
  test("arms no second poll while the first is pending", () => {
    expect(arming([0], [1])).toEqual({ results: [1, 0], calls: "sg" });
  });

  test("arms again when the first has completed", () => {
    expect(arming([1], [1, 1])).toEqual({ results: [1, 1], calls: "sgs" });
  });

  test("asks again when a signal came in between, and takes that for no completion", () => {
    expect(arming([-EINTR, -EINTR, 0], [1])).toEqual({ results: [1, 0], calls: "sggg" });
    expect(arming([-EINTR, 1], [1, 1])).toEqual({ results: [1, 1], calls: "sggs" });
  });

  test("arms anew after a poll that was refused", () => {
    expect(arming([], [-EAGAIN, 1])).toEqual({ results: [-EAGAIN, 1], calls: "ss" });
  });
});

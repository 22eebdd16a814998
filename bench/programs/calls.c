/*
 * calls PID...
 *
 * Counts the system calls of processes, all threads, from "ready" until
 * SIGTERM, and prints {"calls":N}. By the tracepoint raw_syscalls:sys_enter
 * (perf_event_open(2)), which a process hardly feels: strace slows one down so
 * much that TCP sends no super-packets any more.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNTERS_MAX 1024

static int counters[COUNTERS_MAX], used;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t tracepoint(void) {
  FILE *file = fopen("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", "r");
  unsigned long long id;
  if (file == NULL || fscanf(file, "%llu", &id) != 1) fail("/sys/kernel/tracing");
  fclose(file);
  return id;
}

static void count(int thread) {
  struct perf_event_attr attributes = {
      .type = PERF_TYPE_TRACEPOINT, .size = sizeof attributes, .config = tracepoint(), .inherit = 1};
  int fd = (int)syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
  /* A thread may have ended meanwhile. */
  if (fd >= 0 && used < COUNTERS_MAX) counters[used++] = fd;
}

static void count_process(const char *pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/task", pid);
  DIR *threads = opendir(path);
  if (threads == NULL) fail(path);
  for (struct dirent *entry; (entry = readdir(threads)) != NULL;)
    if (entry->d_name[0] != '.') count(atoi(entry->d_name));
  closedir(threads);
}

int main(int argc, char **argv) {
  unsigned long long sum = 0, value;
  sigset_t ends;
  int signal;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  for (int i = 1; i < argc; i++) count_process(argv[i]);
  if (used == 0) fail("perf_event_open");
  puts("ready");
  fflush(stdout);
  alarm(60);
  sigwait(&ends, &signal);
  for (int i = 0; i < used; i++)
    if (read(counters[i], &value, sizeof value) == sizeof value) sum += value;
  printf("{\"calls\":%llu}\n", sum);
}

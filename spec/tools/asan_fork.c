/*
 * asan_fork.c: shows why specs that fork may hang under clang's AddressSanitizer: a child waits for
 * a lock of the sanitizer's allocator that a thread of the parent held during the fork. Uses
 * nothing of flarelight. Prints the number of the fork whose child hung, if one did.
 *
 *   clang -fsanitize=address -pthread -o /tmp/asan_fork spec/tools/asan_fork.c && /tmp/asan_fork
 *
 * Without -fsanitize=address no child hangs.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORKS 1000
#define BLOCKS 4000
#define PATIENCE 5000 /* milliseconds */

static void allocate_blocks(void) {
  void *blocks[BLOCKS];
  for (int i = 0; i < BLOCKS; i++) blocks[i] = malloc(64);
  for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
}

static void *allocate_always(void *unused) {
  (void)unused;
  for (;;) allocate_blocks();
  return NULL;
}

static int hangs(pid_t child) {
  for (int i = 0; i < PATIENCE; i++) {
    if (waitpid(child, NULL, WNOHANG) != 0) return 0;
    usleep(1000);
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  return 1;
}

int main(void) {
  pthread_t thread;
  for (int i = 0; i < 2; i++)
    if (pthread_create(&thread, NULL, allocate_always, NULL) != 0) return 2;
  for (int i = 1; i <= FORKS; i++) {
    pid_t child = fork();
    if (child == 0) {
      allocate_blocks();
      _exit(0);
    }
    if (hangs(child)) {
      printf("the child of fork %d hangs\n", i);
      fflush(stdout);
      _exit(1);
    }
  }
  printf("%d forks, and no child hangs\n", FORKS);
  fflush(stdout);
  _exit(0);
}

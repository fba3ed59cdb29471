// GFLOP/s of fused multiply-adds on all cores, 256 bits wide: what a software adapter could reach at most. Built and run by peak.ts where there is a C compiler.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef float lanes __attribute__((vector_size(32)));
enum { CHAINS = 12, STEPS = 60000000 };

// Variables by name: compilers keep an array of them in memory.
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define DECLARE(j) lanes a##j = m + j;
#define STEP(j) a##j = a##j * m + c; __asm__ volatile("" : "+x"(a##j));
#define SUM(j) + a##j

static void *work(void *sink) {
  lanes m, c;
  for (int i = 0; i < 8; i++) m[i] = 0.999f, c[i] = 0.001f;
  EACH(DECLARE)
  for (int s = 0; s < STEPS; s++) { EACH(STEP) }
  lanes total = c EACH(SUM);
  *(volatile float *)sink = total[0] + total[7];
  return 0;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  pthread_t t[256];
  float sinks[256];
  struct timespec from, to, used;
  if (threads > 256) threads = 256;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (int i = 0; i < threads; i++) pthread_create(&t[i], 0, work, &sinks[i]);
  for (int i = 0; i < threads; i++) pthread_join(t[i], 0);
  clock_gettime(CLOCK_MONOTONIC, &to);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  double flops = 16.0 * CHAINS * STEPS * threads;
  // By the clock, and by CPU time as if spread over all threads.
  printf("%f %f\n", flops / ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)), flops * threads / (used.tv_sec * 1e9 + used.tv_nsec));
}

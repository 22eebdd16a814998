/* A tunnel whose datagrams are packets. Each function moves what waits, and returns how many packets, or 0. */
#ifndef BENCH_PACKETS_H
#define BENCH_PACKETS_H

int packets_send(int tun, int socket);
int packets_receive(int socket, int tun);

#endif

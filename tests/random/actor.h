/* SPDX-License-Identifier: MIT */
/*
 * actor.h - who makes calls: a process or a thread that does as it is told
 */
#ifndef RANDOM_ACTOR_H
#define RANDOM_ACTOR_H

/* Acts as number @index, on the control socket of that number, until it is told to exit. @addresses: see
 * place.h. Returns only if it cannot begin. */
int actor_run(int index, char **addresses);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * version.h - which Slim this is
 */
#ifndef SLIM_VERSION_H
#define SLIM_VERSION_H

#define SLIM_VERSION	"0.1.0"

#endif

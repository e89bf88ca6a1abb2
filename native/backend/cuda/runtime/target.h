// This folder is compiled twice: for GPUs by nvcc, and with MT_DEVICE_HOST for the host device layer, where every
// thread of a block is a fiber. Each has a namespace of its own, so that both fit into one program.
#pragma once

#ifdef MT_DEVICE_HOST
#define MT_TARGET host_device
#else
#define MT_TARGET cuda
#endif

// backend/cuda is compiled twice: by nvcc for GPUs, and with MT_DEVICE_HOST for the simulator (native/simulator), where
// every thread of a block is a fiber. Each compilation has a namespace of its own.
#pragma once

#ifdef MT_DEVICE_HOST
#define MT_TARGET host_device
#else
#define MT_TARGET cuda
#endif

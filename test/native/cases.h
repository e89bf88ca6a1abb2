// The shapes and packs that ops are tested at: op_test compares a backend with the reference on these.
#pragma once
#include "check/case.h"

namespace mt::test {

using namespace mt::check;

// Odd and even sizes around the edges of panels (16, 32, 64), of pairs and of steps of 32 in k.
inline const ModelShape kTestShapes[] = {
    {"tiny", 17, 33, 1, 1, 2, 5},       {"odd", 40, 100, 5, 5, 8, 333},        {"pairs", 48, 31, 3, 1, 16, 65},
    {"even", 64, 64, 4, 2, 16, 64},     {"edge", 63, 65, 2, 1, 32, 1025},      {"wide", 100, 128, 5, 1, 20, 127},
    {"head80", 96, 97, 2, 2, 80, 2050}, {"head128", 129, 176, 3, 3, 128, 320}, {"long", 2100, 40, 1, 1, 64, 48},
};

// Packs of every form. Blocks of keys are 64 positions: lengths lie around that.
inline const std::vector<std::vector<TreeSpec>> kTestPacks = {
    plain(1),
    plain(2),
    plain(3),
    plain(5),
    plain(7),
    plain(13),
    plain(64),
    plain(97),
    plain(200),
    {{0, 5, {1, 2, 3}}},
    {{0, 63, {2, 70}}, {0, 0, {9}}},
    {{0, 64, {1, 1, 1, 1}}},
    {{0, 130, {4, 5, 6, 65, 3, 2}}, {0, 1, {1, 1}}, {0, 0, {33}}},
    {{70, 0, {1}}, {1, 0, {1}}, {128, 0, {1}}, {63, 0, {2}}},
    {{129, 40, {3, 4}}, {0, 66, {1, 7}}},
};

// Windows of attention: none, one's own position, less than a block, and one that begins and ends within a block.
inline constexpr int kTestWindows[] = {kWholeWindow, 1, 33, 100};

}  // namespace mt::test

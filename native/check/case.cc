// The trees of a case as a pack.
#include "case.h"

#include "random.h"

namespace mt::check {

CasePack::CasePack(const std::vector<TreeSpec>& specs, int vocab) {
  Random source(9);
  const auto count = [this] { return static_cast<int>(ids.size()); };
  for (const TreeSpec& spec : specs) {
    Tree tree = {count(), 0, spec.prefix, cached, spec.segment};
    cached += spec.segment;
    const auto add = [&](int length, int position) {
      const int start = count();
      for (int i = 0; i < length; i++) {
        branch_start.push_back(start);
        pos.push_back(position + i);
        ids.push_back(static_cast<int32_t>(source.next() % vocab));
      }
    };
    add(spec.prefix, spec.segment);
    for (const int length : spec.branches) add(length, spec.segment + spec.prefix);
    tree.end = count();
    trees.push_back(tree);
  }
  for (int i = 0; i < count(); i++) {
    rows.push_back(i * 7 / 5 % count());
    cache_rows.push_back(count() - 1 - i);
  }
}

}  // namespace mt::check

// Sums and shares are the same at any number of ranks: here threads of one process, each with a communicator.
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "core/rng.h"
#include "ranks/communicator.h"
#include "ranks/gloo_world.h"
#include "ranks/shares.h"
#include "ranks/tree_sum.h"

namespace circuit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Where threads leave what they send.
struct Table {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<int64_t, std::vector<std::vector<at::Tensor>>> sent;  // by exchange and rank
};

class Thread : public Communicator {
 public:
  Thread(Table& table, int rank, int count) : table_(table), rank_(rank), count_(count) {}
  int rank() const override { return rank_; }
  int count() const override { return count_; }
  int64_t sent_bytes() const override { return 0; }
  std::vector<at::Tensor> exchange(const std::string&, std::vector<at::Tensor> outgoing) override {
    std::unique_lock<std::mutex> lock(table_.mutex);
    auto& all = table_.sent[number_];
    all.resize(count_);
    all[rank_] = std::move(outgoing);
    table_.changed.notify_all();
    const auto complete = [&] {
      for (const auto& one : all) {
        if (one.empty()) return false;
      }
      return true;
    };
    table_.changed.wait(lock, complete);
    std::vector<at::Tensor> incoming;
    for (const auto& from : all) incoming.push_back(from[rank_].clone());
    ++number_;
    return incoming;
  }

 private:
  Table& table_;
  const int rank_, count_;
  int64_t number_ = 0;
};

template <class Work>
void on_threads(int count, const Work& work) {
  Table table;
  std::vector<std::thread> threads;
  for (int r = 0; r < count; ++r) {
    threads.emplace_back([&, r] {
      Thread ranks(table, r, count);
      work(ranks);
    });
  }
  for (std::thread& t : threads) t.join();
}

// Values of a leaf: float32 of very different sizes, so that another order gives other bytes; now and then none.
std::vector<at::Tensor> leaf_values(int64_t leaf) {
  Rng rng = Rng(7).split(std::to_string(leaf));
  std::vector<at::Tensor> values;
  for (int i = 0; i < 3; ++i) {
    std::vector<float> v;
    for (int j = 0; j < 5; ++j) v.push_back(static_cast<float>(std::exp(12 * rng.uniform()) * (rng.uniform() - 0.5)));
    values.push_back(rng.uniform() < 0.2 ? at::Tensor() : at::tensor(v, at::kFloat));
  }
  return values;
}

std::vector<at::Tensor> sum_of(int64_t leaves, Communicator& ranks, const std::vector<int>& owners = {}) {
  TreeSum sum;
  const Share share = share_of(leaves, ranks);
  for (int64_t leaf = share.first; leaf < share.last; ++leaf) sum.add(leaf, leaf_values(leaf));
  return sum.finish_at(ranks, "sum", owners);
}

bool same(const at::Tensor& a, const at::Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || at::equal(a, b));
}

TEST(TreeSum, IsTheSameAtAnyNumberOfRanks) {
  for (const int64_t leaves : {1, 2, 3, 4, 5, 7, 8, 13, 16}) {
    const std::vector<at::Tensor> alone = sum_of(leaves, world());
    ASSERT_EQ(alone.size(), 3U);
    for (const int count : {2, 3, 4, 7}) {
      on_threads(count, [&](Communicator& ranks) {
        const std::vector<at::Tensor> sum = sum_of(leaves, ranks);
        for (size_t i = 0; i < alone.size(); ++i) {
          EXPECT_TRUE(same(sum[i], alone[i])) << leaves << " leaves on " << count << " ranks";
        }
        const std::vector<int> owners{0, 1, count - 1};
        const std::vector<at::Tensor> owned = sum_of(leaves, ranks, owners);
        for (size_t i = 0; i < alone.size(); ++i) {
          const bool own = owners[i] == ranks.rank();
          EXPECT_TRUE(own ? same(owned[i], alone[i]) : !owned[i].defined());
        }
      });
    }
  }
}

// The order does matter: else the test above would hold of any sum.
TEST(TreeSum, IsNoSumInOrder) {
  std::vector<at::Tensor> in_order = leaf_values(0);
  for (int64_t leaf = 1; leaf < 16; ++leaf) {
    const std::vector<at::Tensor> values = leaf_values(leaf);
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i].defined()) in_order[i] = in_order[i].defined() ? in_order[i].add_(values[i]) : values[i];
    }
  }
  const std::vector<at::Tensor> tree = sum_of(16, world());
  bool all = true;
  for (size_t i = 0; i < tree.size(); ++i) all = all && same(tree[i], in_order[i]);
  EXPECT_FALSE(all);
}

TEST(TreeSum, OfBf16IsFloat32FromTheSecondLeafOn) {
  TreeSum sum;
  sum.add(0, {at::tensor({256.0F}).to(at::kBFloat16)});
  sum.add(1, {at::tensor({1.0F}).to(at::kBFloat16)});
  const at::Tensor value = sum.finish(world(), "sum")[0];
  EXPECT_EQ(value.scalar_type(), at::kFloat);
  EXPECT_EQ(value.item<float>(), 257);
}

TEST(Shares, AreAllPartsOnceAndTheFirstIsRankZeros) {
  for (const int64_t n : {0, 1, 2, 5, 16, 17}) {
    for (const int count : {1, 2, 3, 4, 7}) {
      int64_t next = 0;
      for (int r = 0; r < count; ++r) {
        const Share share = share_of(n, r, count);
        EXPECT_EQ(share.first, next);
        EXPECT_LE(share.count(), n / count + 1);
        next = share.last;
      }
      EXPECT_EQ(next, n);
      EXPECT_EQ(share_of(n, 0, count).has(0), n > 0);
    }
  }
}

TEST(Communicator, CarriesTensorsTextsAndAgreement) {
  const std::vector<at::Tensor> tensors{at::rand({2, 3}), at::Tensor(), at::tensor({7}, at::kLong), at::rand({0, 4}),
                                        at::rand({3}).to(at::kBFloat16)};
  const std::vector<at::Tensor> back = unpack(pack(tensors));
  for (size_t i = 0; i < tensors.size(); ++i) EXPECT_TRUE(same(back[i], tensors[i])) << i;
  on_threads(3, [](Communicator& ranks) {
    const std::string own(ranks.rank(), 'x');
    EXPECT_THAT(gather(ranks, "names", own), ElementsAre("", "x", "xx"));
    EXPECT_EQ(from_first(ranks, "name", own), "");
    EXPECT_TRUE(any_of(ranks, "flags", ranks.rank() == 2));
    EXPECT_FALSE(any_of(ranks, "flags", false));
    EXPECT_THAT(joined(ranks, "numbers", std::vector<double>(ranks.rank(), ranks.rank())), ElementsAre(1, 2, 2));
    agree(ranks, "thing", "same");
    try {
      agree(ranks, "thing", ranks.rank() == 2 ? "other" : "same");
      ADD_FAILURE() << "they do not agree";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("rank 2 has another thing than rank 0: 'other' and 'same'"));
    }
  });
}

Rendezvous meeting(const std::map<std::string, std::string>& variables) {
  return rendezvous_of([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Rendezvous, IsWhereTheLauncherSays) {
  const Rendezvous torchrun = meeting({{"MASTER_ADDR", "node7"},
                                       {"MASTER_PORT", "1234"},
                                       {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                       {"TORCHELASTIC_RESTART_COUNT", "2"},
                                       {"CIRCUIT_RANKS_TIMEOUT", "9"}});
  EXPECT_EQ(torchrun.host, "node7");
  EXPECT_EQ(torchrun.port, 1235);
  EXPECT_EQ(torchrun.attempt, "2");
  EXPECT_EQ(torchrun.timeout, std::chrono::seconds(9));
  EXPECT_EQ(meeting({{"MASTER_ADDR", "a"}}).port, 29500);
  EXPECT_EQ(meeting({{"CIRCUIT_RENDEZVOUS", "/x/y"}}).file, "/x/y");
  EXPECT_EQ(meeting({{"OMPI_COMM_WORLD_SIZE", "2"},
                     {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                     {"PMIX_NAMESPACE", "j1"},
                     {"TMPDIR", "/t"}})
                .file,
            "/t/circuit-ranks-j1");
  EXPECT_EQ(meeting({{"SLURM_JOB_ID", "5"}, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_NODES", "1"}}).file,
            (std::filesystem::temp_directory_path() / "circuit-ranks-5.0").string());
}

TEST(Rendezvous, ThatIsMissingOrWrongIsSaid) {
  const auto refused = [](const std::map<std::string, std::string>& variables, const std::string& words) {
    try {
      meeting(variables);
      ADD_FAILURE() << words;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(words));
    }
  };
  refused({}, "[MASTER_ADDR]");
  refused({{"SLURM_JOB_ID", "5"}, {"SLURM_STEP_NUM_NODES", "2"}}, "[MASTER_ADDR]");
  refused({{"MASTER_ADDR", "a"}, {"MASTER_PORT", "99999"}}, "[MASTER_PORT]");
  refused({{"MASTER_ADDR", "a"}, {"CIRCUIT_RANKS_TIMEOUT", "soon"}}, "[CIRCUIT_RANKS_TIMEOUT]");
}

}  // namespace
}  // namespace circuit

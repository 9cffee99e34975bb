// Of libtorch 1.13, as Debian builds it: on OpenBLAS, whose kernels the program chooses (launch/kernels.h). Nobody
// chooses others.
#include "model/onednn_products.h"

namespace circuit {
namespace {

thread_local bool chosen = false;

}  // namespace

void use_onednn_products() {}
bool are_products_onednn() { return chosen; }
void prepare_onednn_products() {}

OnednnProductsAs::OnednnProductsAs(bool now) : before_(chosen) { chosen = now; }
OnednnProductsAs::~OnednnProductsAs() { chosen = before_; }

}  // namespace circuit

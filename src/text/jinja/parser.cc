#include "text/jinja/parser.h"

#include <algorithm>
#include <optional>

#include "text/jinja/expression_parser.h"

namespace circuit::jinja {
namespace {

using Ends = std::vector<const char*>;

class StatementParser {
 public:
  StatementParser(std::string_view source, const std::string& place)
      : tokens_(tokenize_template(source, place), place), expressions_(&tokens_) {}

  Stmts all() {
    Stmts body = body_until({});
    if (!tokens_.is(TokenKind::kEnd)) tokens_.refuse("found {} outside of a block.", tokens_.describe());
    return body;
  }

 private:
  static std::unique_ptr<Stmt> make(StmtKind kind, int line) {
    auto statement = std::make_unique<Stmt>();
    statement->kind = kind;
    statement->line = line;
    return statement;
  }

  bool at_one_of(const Ends& ends) const {
    return std::any_of(ends.begin(), ends.end(), [&](const char* name) { return tokens_.is_name(name); });
  }

  // Statements up to the tag that one of `ends` opens; its name is then the next token.
  Stmts body_until(const Ends& ends) {
    if (++nesting_ > kMaxNesting) tokens_.refuse("blocks stand more than {} deep inside one another.", kMaxNesting);
    Stmts body;
    while (!tokens_.is(TokenKind::kEnd)) {
      const int line = tokens_.now().line;
      if (tokens_.is(TokenKind::kData)) {
        body.push_back(make(StmtKind::kText, line));
        body.back()->name = tokens_.take().text;
      } else if (tokens_.is(TokenKind::kOutputBegin)) {
        tokens_.take();
        body.push_back(make(StmtKind::kOutput, line));
        body.back()->exprs.push_back(expressions_.tuple());
        if (!tokens_.is(TokenKind::kOutputEnd)) tokens_.refuse("found {}, expected '}}}}'.", tokens_.describe());
        tokens_.take();
      } else {
        tokens_.take();
        if (at_one_of(ends)) {
          --nesting_;
          return body;
        }
        body.push_back(statement());
      }
    }
    if (!ends.empty()) tokens_.refuse("a block does not end: expected '{}'.", ends.back());
    --nesting_;
    return body;
  }

  void end_tag() {
    if (!tokens_.is(TokenKind::kBlockEnd)) tokens_.refuse("found {}, expected '%}}'.", tokens_.describe());
    tokens_.take();
  }

  // The tag {% NAME %}, of which NAME is the next token.
  void end_block(const char* name) {
    if (!tokens_.skip_name(name)) tokens_.refuse("found {}, expected '{}'.", tokens_.describe(), name);
    end_tag();
  }

  std::unique_ptr<Stmt> statement() {
    const TemplateToken name = tokens_.now();
    tokens_.expect_name();
    if (name.text == "if") return if_block(name.line);
    if (name.text == "for") return for_block(name.line);
    if (name.text == "set") return set_block(name.line);
    if (name.text == "macro") return macro_block(name.line);
    if (name.text == "call") return call_block(name.line);
    if (name.text == "filter") return filter_block(name.line);
    if (name.text == "with") return with_block(name.line);
    if (name.text == "generation") return generation_block(name.line);
    if (name.text == "break" || name.text == "continue") {
      if (loops_ == 0) tokens_.refuse("'{}' stands outside of a loop.", name.text);
      end_tag();
      return make(name.text == "break" ? StmtKind::kBreak : StmtKind::kContinue, name.line);
    }
    tokens_.refuse("the statement '{}' is not supported.", name.text);
  }

  std::unique_ptr<Stmt> if_block(int line) {
    auto block = make(StmtKind::kIf, line);
    for (;;) {
      block->exprs.push_back(expressions_.tuple(Conditions::kNone));
      end_tag();
      block->bodies.push_back(body_until({"elif", "else", "endif"}));
      if (!tokens_.skip_name("elif")) break;
    }
    if (tokens_.skip_name("else")) {
      end_tag();
      block->bodies.push_back(body_until({"endif"}));
    }
    end_block("endif");
    return block;
  }

  std::unique_ptr<Stmt> for_block(int line) {
    auto block = make(StmtKind::kFor, line);
    block->exprs.push_back(expressions_.target("in"));
    if (!tokens_.skip_name("in")) tokens_.refuse("found {}, expected 'in'.", tokens_.describe());
    block->exprs.push_back(expressions_.tuple(Conditions::kNone));
    block->exprs.push_back(tokens_.skip_name("if") ? expressions_.expression() : nullptr);
    if (tokens_.is_name("recursive")) tokens_.refuse("recursive loops are not supported.");
    end_tag();
    ++loops_;
    block->bodies.push_back(body_until({"endfor", "else"}));
    --loops_;
    block->bodies.emplace_back();
    if (tokens_.skip_name("else")) {
      end_tag();
      block->bodies.back() = body_until({"endfor"});
    }
    end_block("endfor");
    return block;
  }

  std::unique_ptr<Stmt> set_block(int line) {
    auto block = make(StmtKind::kSet, line);
    block->exprs.push_back(expressions_.target(nullptr));
    if (tokens_.skip_sign("=")) {
      block->exprs.push_back(expressions_.tuple());
      end_tag();
      return block;
    }
    block->kind = StmtKind::kSetBlock;
    block->exprs.push_back(tokens_.is_sign("|") ? expressions_.filters(nullptr, false) : nullptr);
    end_tag();
    inner_body(*block, "endset");
    return block;
  }

  // A body that becomes a value: no loop around it can be left from inside.
  void inner_body(Stmt& block, const char* end) {
    const int loops = std::exchange(loops_, 0);
    block.bodies.push_back(body_until({end}));
    loops_ = loops;
    end_block(end);
  }

  void signature(Stmt& block) {
    tokens_.expect_sign("(");
    while (!tokens_.is_sign(")")) {
      if (!block.parameters.empty()) tokens_.expect_sign(",");
      if (tokens_.is_sign(")")) break;
      block.parameters.push_back(tokens_.expect_name());
      if (tokens_.skip_sign("=")) {
        block.exprs.push_back(expressions_.expression());
      } else if (!block.exprs.empty()) {
        tokens_.refuse("parameter '{}' without a default stands behind one with a default.", block.parameters.back());
      }
    }
    tokens_.expect_sign(")");
  }

  std::unique_ptr<Stmt> macro_block(int line) {
    auto block = make(StmtKind::kMacro, line);
    block->name = tokens_.expect_name();
    signature(*block);
    end_tag();
    inner_body(*block, "endmacro");
    return block;
  }

  std::unique_ptr<Stmt> call_block(int line) {
    auto block = make(StmtKind::kCall, line);
    if (tokens_.is_sign("(")) signature(*block);
    block->exprs.push_back(expressions_.call_expression());
    end_tag();
    inner_body(*block, "endcall");
    return block;
  }

  std::unique_ptr<Stmt> filter_block(int line) {
    auto block = make(StmtKind::kFilter, line);
    block->exprs.push_back(expressions_.filters(nullptr, true));
    end_tag();
    inner_body(*block, "endfilter");
    return block;
  }

  std::unique_ptr<Stmt> with_block(int line) {
    auto block = make(StmtKind::kWith, line);
    while (!tokens_.is(TokenKind::kBlockEnd)) {
      if (!block->exprs.empty()) tokens_.expect_sign(",");
      block->exprs.push_back(expressions_.target("="));
      tokens_.expect_sign("=");
      block->exprs.push_back(expressions_.expression());
    }
    end_tag();
    block->bodies.push_back(body_until({"endwith"}));
    end_block("endwith");
    return block;
  }

  std::unique_ptr<Stmt> generation_block(int line) {
    auto block = make(StmtKind::kScope, line);
    end_tag();
    inner_body(*block, "endgeneration");
    return block;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int nesting_ = 0;
  int loops_ = 0;
};

}  // namespace

Stmts parse_template(std::string_view source, const std::string& place) { return StatementParser(source, place).all(); }

}  // namespace circuit::jinja

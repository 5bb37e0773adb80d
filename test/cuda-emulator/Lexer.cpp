//===- Lexer.cpp - Tokens of PTX ----------------------------------------===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"

#include <cctype>
#include <cstring>

using namespace ternac::cuda_emulator;

static bool isNameStart(char c) {
  return isalpha(static_cast<unsigned char>(c)) || strchr("_$%.", c) != nullptr;
}

static bool isNameCharacter(char c) {
  return isalnum(static_cast<unsigned char>(c)) || strchr("_$.%", c) != nullptr;
}

Token Lexer::take() {
  Token taken = token;
  advance();
  return taken;
}

bool Lexer::takeIf(std::string_view text) {
  if (token.kind == Token::End || token.kind == Token::String ||
      token.text != text)
    return false;
  advance();
  return true;
}

void Lexer::skipLine(uint32_t start) {
  while (token.kind != Token::End && token.line == start)
    advance();
}

void Lexer::advance() {
  while (true) {
    if (*at == '\n') {
      ++line;
      ++at;
    } else if (*at && isspace(static_cast<unsigned char>(*at))) {
      ++at;
    } else if (at[0] == '/' && at[1] == '/') {
      while (*at && *at != '\n')
        ++at;
    } else if (at[0] == '/' && at[1] == '*') {
      for (at += 2; *at && !(at[0] == '*' && at[1] == '/'); ++at)
        line += *at == '\n';
      at += *at ? 2 : 0;
    } else {
      break;
    }
  }
  token = {};
  token.line = line;
  const char *start = at;
  if (!*at)
    return;
  if (*at == '"') {
    for (++at; *at && *at != '"'; ++at)
      ;
    token.kind = Token::String;
    token.text.assign(start + 1, at);
    at += *at == '"';
    return;
  }
  if (isdigit(static_cast<unsigned char>(*at))) {
    token.kind = Token::Number;
    while (isalnum(static_cast<unsigned char>(*at)) || *at == '.' ||
           ((*at == '-' || *at == '+') && (at[-1] == 'e' || at[-1] == 'E') &&
            start[1] != 'x' && start[1] != 'f' && start[1] != 'd'))
      ++at;
  } else if (isNameStart(*at)) {
    token.kind = Token::Name;
    // Directives may follow each other without a space: .reg.b16.
    bool isDirective = *at++ == '.';
    while (*at && !(isDirective && *at == '.') &&
           (isNameCharacter(*at) || (at[0] == ':' && at[1] == ':')))
      at += *at == ':' ? 2 : 1;
  } else {
    token.kind = Token::Punctuation;
    ++at;
  }
  token.text.assign(start, at);
}

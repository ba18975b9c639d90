// SPDX-License-Identifier: MIT
// Empty: lets a function without a body stand in main.go.

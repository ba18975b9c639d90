// SPDX-License-Identifier: MIT
//
// conformance_cxx: every form of operator new and delete on the preloaded subject, bad_alloc and new handlers, and the
// standard library's own use of the heap. Known deviations as in conformance: deviations.h.
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <exception>
#include <functional>
#include <list>
#include <malloc.h>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

// Last: its macros fail() and skip() are member names of the standard library.
extern "C" {
#include "deviations.h"
#include <cmocka.h>
}

namespace {

template <typename T> T *opaque(T *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

std::size_t opaque_size(std::size_t size) {
    __asm__ volatile("" : "+r"(size));
    return size;
}

const char *subject_name() {
    const char *name = std::getenv("SPANLAB_SUBJECT");
    return name != nullptr ? name : "glibc";
}

std::string file_of(const char *symbol) {
    Dl_info info;
    void *address = dlsym(RTLD_DEFAULT, symbol);
    if (address == nullptr || dladdr(address, &info) == 0)
        return "";
    std::string path = info.dli_fname;
    return path.substr(path.rfind('/') + 1);
}

// Peers may have their own operators; for all others libstdc++ calls malloc, which is the subject's.
void operators_reach_the_subject(void **) {
    static const char *const mangled[] = {"_Znwm",
                                          "_Znam",
                                          "_ZdlPv",
                                          "_ZdaPv",
                                          "_ZdlPvm",
                                          "_ZdaPvm",
                                          "_ZnwmRKSt9nothrow_t",
                                          "_ZnamRKSt9nothrow_t",
                                          "_ZdlPvRKSt9nothrow_t",
                                          "_ZdaPvRKSt9nothrow_t",
                                          "_ZnwmSt11align_val_t",
                                          "_ZnamSt11align_val_t",
                                          "_ZdlPvSt11align_val_t",
                                          "_ZdaPvSt11align_val_t",
                                          "_ZdlPvmSt11align_val_t",
                                          "_ZdaPvmSt11align_val_t",
                                          "_ZnwmSt11align_val_tRKSt9nothrow_t",
                                          "_ZnamSt11align_val_tRKSt9nothrow_t",
                                          "_ZdlPvSt11align_val_tRKSt9nothrow_t",
                                          "_ZdaPvSt11align_val_tRKSt9nothrow_t"};
    const char *library = std::getenv("SPANLAB_LIBRARY");
    std::string subject =
        library != nullptr ? std::string(library).substr(std::string(library).rfind('/') + 1) : "libc.so.6";
    assert_string_equal(file_of("malloc").c_str(), subject.c_str());
    for (const char *symbol : mangled) {
        std::string file = file_of(symbol);
        if (file != subject && file.find("libstdc++") != 0)
            fail_msg("%s comes from '%s', neither the subject nor libstdc++", symbol, file.c_str());
    }
}

void writable(void *p, std::size_t size, std::size_t align) {
    assert_non_null(p);
    assert_int_equal(reinterpret_cast<std::uintptr_t>(opaque(p)) % align, 0);
    std::size_t usable = malloc_usable_size(p);
    assert_true(usable >= size);
    std::memset(p, 0x77, usable);
}

void every_plain_form(void **) {
    for (std::size_t size = 0; size < 70000; size += size < 1100 ? 1 : 509) {
        std::size_t align = size >= 16 ? 16 : size >= 8 ? 8 : 1;
        void *p[6];
        for (int i = 0; i < 6; i++) {
            p[i] = i < 2   ? ::operator new(size)
                   : i < 4 ? ::operator new[](size)
                   : i < 5 ? ::operator new(size, std::nothrow)
                           : ::operator new[](size, std::nothrow);
            writable(p[i], size, align);
        }
        ::operator delete(p[0]);
        ::operator delete(p[1], size);
        ::operator delete[](p[2]);
        ::operator delete[](p[3], size);
        ::operator delete(p[4], std::nothrow);
        ::operator delete[](p[5], std::nothrow);
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr, std::nothrow);
}

void every_aligned_form(void **) {
    for (std::size_t align = 16; align <= 1 << 20; align *= 2)
        for (std::size_t size = 1; size < 50000; size = size * 3 + 1) {
            std::align_val_t a{align};
            void *p[6];
            for (int i = 0; i < 6; i++) {
                p[i] = i < 2   ? ::operator new(size, a)
                       : i < 4 ? ::operator new[](size, a)
                       : i < 5 ? ::operator new(size, a, std::nothrow)
                               : ::operator new[](size, a, std::nothrow);
                // Where a peer is known to misalign, conformance has reported it; it must still be memory.
                bool known = std::strcmp(subject_name(), "mimalloc") == 0 && align >= 256;
                writable(p[i], size, known ? 16 : align);
            }
            ::operator delete(p[0], a);
            ::operator delete(p[1], size, a);
            ::operator delete[](p[2], a);
            ::operator delete[](p[3], size, a);
            ::operator delete(p[4], a, std::nothrow);
            ::operator delete[](p[5], a, std::nothrow);
        }
}

struct alignas(128) Wide {
    double values[16] = {};
};

void expressions_of_overaligned_types(void **) {
    for (int n = 1; n < 200; n++) {
        std::unique_ptr<Wide> one(new Wide);
        std::unique_ptr<Wide[]> many(new Wide[n]);
        assert_int_equal(reinterpret_cast<std::uintptr_t>(opaque(one.get())) % 128, 0);
        assert_int_equal(reinterpret_cast<std::uintptr_t>(opaque(many.get())) % 128, 0);
    }
}

bool tolerated(const char *rule) {
    for (const struct deviation *d = deviations; d->subject != nullptr; d++)
        if (std::strcmp(d->subject, subject_name()) == 0 && std::strcmp(d->rule, rule) == 0) {
            print_message("    known deviation of %s from %s: %s\n", d->subject, rule, d->reason);
            return true;
        }
    return false;
}

template <typename Call> bool throws_bad_alloc(Call call) {
    try {
        call();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

const std::size_t absurd = (static_cast<std::size_t>(1) << 63) + 4096;

void absurd_sizes_throw_bad_alloc(void **) {
    std::size_t size = opaque_size(absurd);
    if (tolerated("bad-alloc"))
        skip();
    assert_true(throws_bad_alloc([=] { opaque(::operator new(size)); }));
    assert_true(throws_bad_alloc([=] { opaque(::operator new[](size)); }));
    assert_true(throws_bad_alloc([=] { opaque(::operator new (size, std::align_val_t{256})); }));
    assert_true(throws_bad_alloc([=] { opaque(::operator new[](size, std::align_val_t{256})); }));
    assert_true(throws_bad_alloc([=] { opaque(new double[size]); })); // bad_array_new_length
    assert_true(throws_bad_alloc([=] {
        std::vector<char> v;
        v.reserve(SIZE_MAX / 2 - 4096);
        opaque(&v);
    }));
    assert_null(opaque(::operator new(size, std::nothrow)));
    assert_null(opaque(::operator new[](size, std::nothrow)));
    assert_null(opaque(::operator new (size, std::align_val_t{256}, std::nothrow)));
    assert_null(opaque(::operator new[](size, std::align_val_t{256}, std::nothrow)));
}

int handler_calls;

void give_up_after_three() {
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

void throw_from_handler() {
    handler_calls++;
    throw std::bad_alloc();
}

void handler_is_called(const std::function<void()> &call) {
    handler_calls = 0;
    std::set_new_handler(give_up_after_three);
    assert_true(throws_bad_alloc(call));
    assert_int_equal(handler_calls, 3);
    handler_calls = 0;
    std::set_new_handler(throw_from_handler);
    assert_true(throws_bad_alloc(call));
    assert_int_equal(handler_calls, 1);
    std::set_new_handler(nullptr);
}

void new_handler_is_called_until_it_is_gone(void **) {
    std::size_t size = opaque_size(absurd);
    if (tolerated("bad-alloc"))
        skip();
    handler_is_called([=] { opaque(::operator new(size)); });
    handler_is_called([=] { opaque(::operator new[](size)); });
    handler_is_called([=] { opaque(::operator new (size, std::align_val_t{64})); });
}

void nothrow_new_calls_the_handler_too(void **) {
    std::size_t size = opaque_size(absurd);
    if (tolerated("new-handler-nothrow"))
        skip();
    handler_is_called([=] {
        if (opaque(::operator new(size, std::nothrow)) == nullptr)
            throw std::bad_alloc();
    });
}

void containers(void **) {
    std::map<int, std::string> names;
    std::unordered_map<std::string, std::vector<int>> numbers;
    std::set<std::string> sorted;
    std::deque<int> queue;
    std::list<std::shared_ptr<std::string>> shared;
    for (int i = 0; i < 20000; i++) {
        std::string name = "a name that is too long for the small buffer " + std::to_string(i);
        names[i * 7919 % 20000] = name;
        numbers[name].assign(i % 50, i);
        sorted.insert(name);
        queue.push_front(i);
        if (i % 3 == 0)
            queue.pop_back();
        shared.push_back(std::make_shared<std::string>(name));
        if (i % 5 == 0)
            shared.pop_front();
    }
    for (int i = 0; i < 20000; i++)
        assert_int_equal(numbers[names[i * 7919 % 20000]].size(), i % 50);
    assert_int_equal(sorted.size(), 20000);
    std::ostringstream stream;
    for (const auto &item : shared)
        stream << *item << '\n';
    assert_true(stream.str().size() > 100000);
}

struct AtThreadExit {
    std::vector<std::string> held;
    ~AtThreadExit() {
        std::string more(5000, 'x');
        held.push_back(more);
    }
};
thread_local AtThreadExit at_thread_exit;

void thread_locals_and_exceptions_in_threads(void **) {
    for (int round = 0; round < 20; round++) {
        std::vector<std::thread> threads;
        std::vector<int> caught(4);
        for (int t = 0; t < 4; t++)
            threads.emplace_back([t, &caught] {
                for (int i = 0; i < 500; i++) {
                    at_thread_exit.held.push_back(std::string(i, 'y'));
                    try {
                        throw std::runtime_error("thrown from a thread, number " + std::to_string(i));
                    } catch (const std::exception &e) {
                        caught[t] += e.what()[0] == 't';
                    }
                }
            });
        for (auto &thread : threads)
            thread.join();
        for (int count : caught)
            assert_int_equal(count, 500);
    }
}

} // namespace

int main() {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_reach_the_subject),
        cmocka_unit_test(every_plain_form),
        cmocka_unit_test(every_aligned_form),
        cmocka_unit_test(expressions_of_overaligned_types),
        cmocka_unit_test(absurd_sizes_throw_bad_alloc),
        cmocka_unit_test(new_handler_is_called_until_it_is_gone),
        cmocka_unit_test(nothrow_new_calls_the_handler_too),
        cmocka_unit_test(containers),
        cmocka_unit_test(thread_locals_and_exceptions_in_threads),
    };
    return cmocka_run_group_tests_name(subject_name(), tests, nullptr, nullptr);
}

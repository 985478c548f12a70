"""A serializer that must never be used: it writes pickles, and fails the test that loads one."""

import pickle


class PickleSerializer:
    def dumps(self, obj):
        return pickle.dumps(obj)

    def loads(self, data):
        raise AssertionError("a pickle was loaded")

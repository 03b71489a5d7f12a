/**
 * The messages of etcd's v3 API that Skiff uses, as tables for the protobuf codec. Names are the protocol's in camel case.
 * Identities of clusters and members use all 64 bits, so they are text; revisions are numbers. Left out is what nobody here
 * asks for: leases, sort orders, cluster and member in the headers of answers.
 */
import type { Descriptors } from '../../protobuf/codec.ts'

const messages: Descriptors['messages'] = {
  AlarmMember: { memberID: [1, 'id64'], alarm: [2, 'AlarmType'] },
  AlarmRequest: { action: [1, 'AlarmAction'], memberID: [2, 'id64'], alarm: [3, 'AlarmType'] },
  AlarmResponse: { alarms: [2, '[]AlarmMember'] },
  CompactRequest: { revision: [1, 'int64'], physical: [2, 'bool'] },
  CompactResponse: { header: [1, 'ResponseHeader'] },
  Compare: {
    result: [1, 'CompareResult'],
    target: [2, 'CompareTarget'],
    key: [3, 'bytes'],
    version: [4, 'int64'],
    modRevision: [6, 'int64'],
  },
  DefragmentRequest: {},
  DefragmentResponse: {},
  DeleteRangeRequest: { key: [1, 'bytes'], rangeEnd: [2, 'bytes'] },
  Event: { type: [1, 'EventType'], kv: [2, 'KeyValue'], prevKv: [3, 'KeyValue'] },
  KeyValue: {
    key: [1, 'bytes'],
    createRevision: [2, 'int64'],
    modRevision: [3, 'int64'],
    version: [4, 'int64'],
    value: [5, 'bytes'],
  },
  Member: {
    ID: [1, 'id64'],
    name: [2, 'string'],
    peerURLs: [3, '[]string'],
    clientURLs: [4, '[]string'],
    isLearner: [5, 'bool'],
  },
  MemberAddRequest: { peerURLs: [1, '[]string'], isLearner: [2, 'bool'] },
  MemberAddResponse: { member: [2, 'Member'], members: [3, '[]Member'] },
  MemberListRequest: { linearizable: [1, 'bool'] },
  MemberListResponse: { members: [2, '[]Member'] },
  MemberPromoteRequest: { ID: [1, 'id64'] },
  MemberPromoteResponse: { members: [2, '[]Member'] },
  MemberRemoveRequest: { ID: [1, 'id64'] },
  MemberRemoveResponse: { members: [2, '[]Member'] },
  MemberUpdateRequest: { ID: [1, 'id64'], peerURLs: [2, '[]string'] },
  MemberUpdateResponse: { members: [2, '[]Member'] },
  MoveLeaderRequest: { targetID: [1, 'id64'] },
  MoveLeaderResponse: {},
  PutRequest: { key: [1, 'bytes'], value: [2, 'bytes'] },
  PutResponse: { header: [1, 'ResponseHeader'] },
  RangeRequest: {
    key: [1, 'bytes'],
    rangeEnd: [2, 'bytes'],
    limit: [3, 'int64'],
    revision: [4, 'int64'],
    serializable: [7, 'bool'],
    keysOnly: [8, 'bool'],
    countOnly: [9, 'bool'],
  },
  RangeResponse: { header: [1, 'ResponseHeader'], kvs: [2, '[]KeyValue'], more: [3, 'bool'], count: [4, 'int64'] },
  RequestOp: {
    requestRange: [1, 'RangeRequest'],
    requestPut: [2, 'PutRequest'],
    requestDeleteRange: [3, 'DeleteRangeRequest'],
  },
  ResponseHeader: { revision: [3, 'int64'] },
  ResponseOp: { responseRange: [1, 'RangeResponse'] },
  SnapshotRequest: {},
  SnapshotResponse: { remainingBytes: [2, 'uint64'], blob: [3, 'bytes'] },
  StatusHeader: { clusterId: [1, 'id64'], memberId: [2, 'id64'], revision: [3, 'int64'], raftTerm: [4, 'uint64'] },
  StatusRequest: {},
  StatusResponse: {
    header: [1, 'StatusHeader'],
    version: [2, 'string'],
    dbSize: [3, 'int64'],
    leader: [4, 'id64'],
    raftIndex: [5, 'uint64'],
    raftTerm: [6, 'uint64'],
    raftAppliedIndex: [7, 'uint64'],
    errors: [8, '[]string'],
    dbSizeInUse: [9, 'int64'],
    isLearner: [10, 'bool'],
  },
  TxnRequest: { compare: [1, '[]Compare'], success: [2, '[]RequestOp'], failure: [3, '[]RequestOp'] },
  TxnResponse: { header: [1, 'ResponseHeader'], succeeded: [2, 'bool'], responses: [3, '[]ResponseOp'] },
  WatchCreateRequest: {
    key: [1, 'bytes'],
    rangeEnd: [2, 'bytes'],
    startRevision: [3, 'int64'],
    prevKv: [6, 'bool'],
  },
  WatchRequest: { createRequest: [1, 'WatchCreateRequest'] },
  WatchResponse: {
    header: [1, 'ResponseHeader'],
    created: [3, 'bool'],
    canceled: [4, 'bool'],
    compactRevision: [5, 'int64'],
    cancelReason: [6, 'string'],
    events: [11, '[]Event'],
  },
}

export const etcdDescriptors: Descriptors = {
  messages,
  enums: {
    AlarmAction: { GET: 0, ACTIVATE: 1, DEACTIVATE: 2 },
    AlarmType: { NONE: 0, NOSPACE: 1, CORRUPT: 2 },
    CompareResult: { EQUAL: 0, GREATER: 1, LESS: 2, NOT_EQUAL: 3 },
    CompareTarget: { VERSION: 0, CREATE: 1, MOD: 2, VALUE: 3, LEASE: 4 },
    EventType: { PUT: 0, DELETE: 1 },
  },
  enumsAsNames: true,
}

/** As decoded: absent fields are those with the zero value. */
export interface KeyValue {
  readonly key: Buffer
  readonly createRevision: number
  readonly modRevision: number
  readonly value?: Buffer
}

export interface Header {
  readonly revision: number
}

export interface RangeResponse {
  readonly header: Header
  readonly kvs?: readonly KeyValue[]
  readonly more?: boolean
  readonly count?: number
}

export interface TxnResponse {
  readonly header: Header
  readonly succeeded?: boolean
  readonly responses?: readonly { readonly responseRange?: Partial<RangeResponse> }[]
}

export interface WatchEvent {
  readonly type?: 'PUT' | 'DELETE'
  readonly kv: KeyValue
  readonly prevKv?: KeyValue
}

export interface WatchResponse {
  readonly header: Header
  readonly created?: boolean
  readonly canceled?: boolean
  readonly compactRevision?: number
  readonly cancelReason?: string
  readonly events?: readonly WatchEvent[]
}

export interface Member {
  readonly ID: string
  /** Empty until the member has started for the first time. */
  readonly name?: string
  readonly peerURLs?: readonly string[]
  readonly clientURLs?: readonly string[]
  readonly isLearner?: boolean
}

export interface Alarm {
  readonly memberID: string
  readonly alarm?: 'NONE' | 'NOSPACE' | 'CORRUPT'
}

export interface Status {
  readonly header: { readonly clusterId: string; readonly memberId: string; readonly revision?: number }
  readonly version: string
  readonly dbSize?: number
  readonly dbSizeInUse?: number
  /** "0" or absent: none known. */
  readonly leader?: string
  readonly raftIndex?: number
  readonly raftAppliedIndex?: number
  readonly raftTerm?: number
  readonly errors?: readonly string[]
  readonly isLearner?: boolean
}

"""The phases of each operation, in the order in which every host walks through them."""

from kubeon.cluster.context import Step
from kubeon.cluster.deletion import Deletion
from kubeon.cluster.upgrade import Upgrade
from kubeon.phases.apply_load_balancer import ApplyLoadBalancer
from kubeon.phases.apply_network import ApplyNetwork
from kubeon.phases.authorize_key import AuthorizeKey
from kubeon.phases.clean_host import CleanHost
from kubeon.phases.configure_network import ConfigureNetwork
from kubeon.phases.drain_node import DrainNode
from kubeon.phases.import_images import ImportImages
from kubeon.phases.init_control_plane import InitControlPlane
from kubeon.phases.install_files import InstallFiles
from kubeon.phases.install_packages import InstallPackages
from kubeon.phases.join_nodes import JoinControlPlanes, JoinWorkers
from kubeon.phases.leave_cluster import DeleteNode, LeaveEtcd
from kubeon.phases.load_balancer import CheckLoadBalancer, PlaceLoadBalancer, UpdateLoadBalancer
from kubeon.phases.mark_adopted import MarkAdopted
from kubeon.phases.mend_objects import MendObjects
from kubeon.phases.place_certificates import PlaceCertificates
from kubeon.phases.prepare_hosts import PrepareHost
from kubeon.phases.record_pod_ranges import RecordPodRanges
from kubeon.phases.register_nodes import RegisterNode
from kubeon.phases.remove_other_load_balancers import RemoveOtherLoadBalancers
from kubeon.phases.renew_certificates import PlaceRenewed, RestartControlPlane, RestartKubelet, VerifyCertificates
from kubeon.phases.restart_api_server import RestartApiServer
from kubeon.phases.start_runtime import StartRuntime
from kubeon.phases.switch_load_balancer import (
    ApplyOtherLoadBalancer,
    ImportLoadBalancerImages,
    PlaceOtherLoadBalancer,
    ProbeLoadBalancer,
    RemoveLoadBalancer,
    RemoveObjects,
    SwitchNode,
    VerifyLoadBalancer,
)
from kubeon.phases.upgrade_control_plane import UpgradeControlPlane
from kubeon.phases.upgrade_files import BringFiles, BringImages, SnapshotBefore
from kubeon.phases.upgrade_node import (
    CheckUpgraded,
    UpgradeControlPlaneNodes,
    UpgradeLoadBalancer,
    UpgradeWorkers,
    VerifyUpgrade,
)
from kubeon.phases.verify_cluster import VerifyCluster
from kubeon.spec.model import ClusterSpec

_PREPARE: tuple[Step, ...] = (
    AuthorizeKey(),
    PrepareHost(),
    InstallPackages(),
    InstallFiles(),
    StartRuntime(),
    ImportImages(),
    PlaceCertificates(),
    ConfigureNetwork(),
    PlaceLoadBalancer(),
)
_JOIN: tuple[Step, ...] = (
    RecordPodRanges(),
    MendObjects(),
    ApplyLoadBalancer(),
    CheckLoadBalancer(),
    JoinControlPlanes(),
    JoinWorkers(),
    RegisterNode(),
    UpdateLoadBalancer(),
    RemoveOtherLoadBalancers(),
    RestartApiServer(),
    VerifyCluster(),
)
CREATE: tuple[Step, ...] = (*_PREPARE, InitControlPlane(), ApplyNetwork(), *_JOIN)
ADD: tuple[Step, ...] = (*_PREPARE, *_JOIN)
ADOPT: tuple[Step, ...] = (AuthorizeKey(), MarkAdopted())
# each time that certificates are made anew: once to renew them, once for each stage of a rotation of CAs
RENEW: tuple[Step, ...] = (PlaceRenewed(), RestartControlPlane(), RestartKubelet(), VerifyCertificates())


def deletion_steps(work: Deletion) -> tuple[Step, ...]:
    """A node is drained, leaves load balancers and etcd, its host is cleaned, and its Node object goes last."""
    return (
        ApplyLoadBalancer(),
        DrainNode(work),
        UpdateLoadBalancer(),
        LeaveEtcd(),
        CleanHost(remove_packages=work.remove_packages),
        DeleteNode(work),
    )


def upgrade_steps(work: Upgrade) -> tuple[Step, ...]:
    """Bring everything, then all API servers, then all kubelets."""
    return (
        BringFiles(work),
        BringImages(),
        SnapshotBefore(work),
        MendObjects(),
        UpgradeControlPlane(work),
        UpgradeLoadBalancer(),
        CheckUpgraded(work),
        UpgradeControlPlaneNodes(work),
        UpgradeWorkers(work),
        VerifyUpgrade(),
    )


def switch_steps(old: ClusterSpec) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Another API load balancer in place of that in `old`: all nodes use it, and only then the old one goes."""
    return (
        (
            ImportLoadBalancerImages(),
            PlaceOtherLoadBalancer(),
            ApplyOtherLoadBalancer(),
            ProbeLoadBalancer(),
            SwitchNode(old),
        ),
        (RemoveLoadBalancer(old), RemoveObjects(old), VerifyLoadBalancer()),
    )

<?php

final class BranchwardInfoConduitAPIMethod extends ConduitAPIMethod {

  public function getAPIMethodName() {
    return 'branchward.info';
  }

  public function getMethodDescription() {
    return pht('Tells which version of the Branchward extension is installed.');
  }

  protected function defineParamTypes() {
    return array();
  }

  protected function defineReturnType() {
    return 'dict<string, wild>';
  }

  protected function defineErrorTypes() {
    return BranchwardConduit::getErrorTypes();
  }

  public function isReadOnlyAPI() {
    return true;
  }

  protected function execute(ConduitAPIRequest $request) {
    $caller = BranchwardConduit::requireAdmin($request);

    return array(
      'version' => BranchwardConduit::VERSION,
      'caller' => $caller->getPHID(),
    );
  }

}
